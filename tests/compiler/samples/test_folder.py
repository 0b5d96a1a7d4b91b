"""A folder of arrays, a file for each sample, with labels inside them or in labels.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.samples import State, open_samples
from edgec.errors import SamplesError
from edgec.runtimes.base import TensorInfo


def tensor(name: str, *shape: int | str | None, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


X = tensor("x", "N", 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = Path("data")
    made.mkdir()
    return made


def save(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        np.save(folder / name, np.full(2, i, np.float32))


def test_npy_files_in_the_order_of_their_names(folder: Path) -> None:
    np.save(folder / "b.npy", np.full((1, 2), 1, np.float32))  # with the batch axis
    np.save(folder / "a.npy", np.full(2, 0, np.float32))  # and without
    (folder / ".hidden").touch()
    samples = open_samples(folder, [X], role="calibration")
    assert len(samples) == 2
    assert [s.id for s in samples] == ["data/a.npy", "data/b.npy"]
    assert [s.feeds["x"].tolist() for s in samples] == [[[0, 0]], [[1, 1]]]
    assert samples.origin == "data"


def test_npz_files_of_different_shapes_with_labels(folder: Path) -> None:
    inputs = [tensor("ids", "N", "T", dtype="int64"), tensor("at", "N", dtype="int64")]
    for i in range(3):
        np.savez(folder / f"{i}.npz", ids=np.arange(i + 1), at=i, label=i * 10)
    read = list(open_samples(folder, inputs, role="evaluation"))
    assert [s.feeds["ids"].shape for s in read] == [(1, 1), (1, 2), (1, 3)]
    assert [s.feeds["at"].tolist() for s in read] == [[0], [1], [2]]
    assert [s.label.item() for s in read] == [0, 10, 20]


def test_sequences_of_different_lengths(folder: Path) -> None:
    inputs = [tensor("x", 1, 2), tensor("h", 1, 4), tensor("rate", dtype="int64")]
    for i in range(2):
        np.savez(folder / f"{i}.npz", x=np.ones((i + 3, 2), np.float32), rate=16000)
    read = list(open_samples(folder, inputs, role="calibration", state=State(carried={"h": "h_next"})))
    assert [len(s.steps) for s in read] == [3, 4]
    assert {step["x"].shape for s in read for step in s.steps} == {(1, 2)}
    assert {step["rate"].item() for s in read for step in s.steps} == {16000}


def test_labels_inside_and_beside(folder: Path) -> None:
    save(folder, "a.npy", "b.npy")
    beside = folder.parent / "labels.csv"
    beside.write_text("file,label\ndata/b.npy,7\na.npy,5\nother/c.npy,0\n")
    assert [s.label.item() for s in open_samples(folder, [X], role="evaluation")] == [5, 7]
    (folder / "labels.csv").write_text("\ufefffile,label\r\nb.npy,1.5\r\na.npy,2\r\n\r\n", encoding="utf-8")
    assert [s.label.item() for s in open_samples(folder, [X], role="evaluation")] == [2, 1.5]
    (folder / "labels.csv").write_text("file,label\nb.npy,dog\na.npy,2\n")
    assert [s.label.item() for s in open_samples(folder, [X], role="evaluation")] == ["2", "dog"]


def test_labels_beside_that_name_other_folders_only(folder: Path) -> None:
    save(folder, "a.npy")
    (folder.parent / "labels.csv").write_text("file,label\nother/c.npy,0\n")
    assert [s.label for s in open_samples(folder, [X], role="calibration")] == [None]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,label\na.npy,1\n", "data/labels.csv: has no label for 'b.npy'. Add a line for it."),
        (
            "file,label\na.npy,1\nb.npy,1\nc.npy,1\n",
            "data/labels.csv, 'c.npy': is not in the folder, did you mean 'b.npy'? Remove or mend the line.",
        ),
        (
            "file,label\na.npy,1\na.npy,1\n",
            "data/labels.csv, line 3: 'a.npy' has a label already. Keep one line for each file.",
        ),
        ("file,label\na.npy\n", "data/labels.csv, line 2: has 1 cells, not 2. Write `file,label`."),
        ("name,class\na.npy,1\n", "data/labels.csv: begins with 'name,class'. Begin it with the line `file,label`."),
        ("", "data/labels.csv: begins with ''. Begin it with the line `file,label`."),
    ],
)
def test_bad_labels(folder: Path, table: str, message: str) -> None:
    save(folder, "a.npy", "b.npy")
    (folder / "labels.csv").write_text(table)
    with pytest.raises(SamplesError) as error:
        open_samples(folder, [X], role="evaluation")
    assert str(error.value).replace("\\", "/") == message


def test_a_label_in_both_places(folder: Path) -> None:
    np.savez(folder / "a.npz", x=np.zeros(2, np.float32), label=1)
    (folder / "labels.csv").write_text("file,label\na.npz,1\n")
    with pytest.raises(SamplesError) as error:
        list(open_samples(folder, [X], role="evaluation"))
    assert str(error.value) == "data/a.npz: has a label in the file and in labels.csv. Keep one of them."


FORMS = "Give an .npz, a folder of .npy, .npz or image files, a .parquet, or `module:function`."


def test_an_empty_folder(folder: Path) -> None:
    with pytest.raises(SamplesError) as error:
        open_samples(folder, [X], role="evaluation")
    assert str(error.value) == f"data: holds no samples. It was given as evaluation samples. {FORMS}"


@pytest.mark.parametrize(
    ("foreign", "problem"),
    [("notes.txt", "is neither an array nor an image"), ("z.jpg", "is of another kind than 'a.npy'")],
)
def test_foreign_files(folder: Path, foreign: str, problem: str) -> None:
    save(folder, "a.npy")
    (folder / foreign).touch()
    with pytest.raises(SamplesError) as error:
        open_samples(folder, [X], role="calibration")
    assert str(error.value) == (
        f"data/{foreign}: {problem}. It was given as calibration samples. Remove it, or give another folder."
    )


def test_npy_files_feed_one_input(folder: Path) -> None:
    save(folder, "a.npy")
    with pytest.raises(SamplesError) as error:
        list(open_samples(folder, [X, tensor("y", "N", 2)], role="calibration"))
    assert str(error.value) == "data/a.npy: 'a' is not an input of the model. The data must give 'x', 'y'."


def test_rank(folder: Path) -> None:
    np.save(folder / "a.npy", np.zeros((1, 1, 2), np.float32))
    with pytest.raises(SamplesError) as error:
        list(open_samples(folder, [X], role="calibration"))
    assert str(error.value) == (
        "data/a.npy, input 'x': has shape [1, 1, 2] where [N, 2] is needed. "
        "Save the samples in the model's shape, or change that with --shape."
    )


def test_paths_that_lead_nowhere(folder: Path) -> None:
    save(folder, "calib.npy")
    with pytest.raises(SamplesError) as error:
        open_samples("data/calib.npz", [X], role="calibration")
    assert str(error.value) == (
        "data/calib.npz: does not exist, did you mean 'calib.npy'? It was given as calibration samples. " + FORMS
    )
    Path("data.csv").touch()
    with pytest.raises(SamplesError) as error:
        open_samples("data.csv", [X], role="calibration")
    assert str(error.value) == (
        f"data.csv: .csv is not a format of samples. It was given as calibration samples. {FORMS}"
    )
