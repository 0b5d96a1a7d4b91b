"""Parquet: cells of every kind, row groups, labels, and what is refused."""

from __future__ import annotations

import builtins
import logging
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from edgec.compiler.samples import ImagePreprocess, State, open_samples
from edgec.errors import MissingExtraError, SamplesError
from edgec.runtimes.base import TensorInfo


def tensor(name: str, *shape: int | str | None, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(row_group_size: int = 1000, **columns: object) -> str:
        pq.write_table(pa.table(columns), "data.parquet", row_group_size=row_group_size)
        return "data.parquet"

    return write


VALUES = np.arange(3 * 2 * 4, dtype=np.float32).reshape(3, 2, 4)
INNER = pa.FixedSizeListArray.from_arrays(pa.array(VALUES.ravel()), 4)


@pytest.mark.parametrize(
    "column",
    [
        [value.ravel().tolist() for value in VALUES],
        VALUES.tolist(),
        pa.array([value.ravel() for value in VALUES], pa.large_list(pa.float32())),
        pa.FixedSizeListArray.from_arrays(INNER, 2),
    ],
    ids=["flat", "nested", "large", "fixed size"],
)
@pytest.mark.parametrize("shape", [(1, 2, 4), ("N", 2, None)], ids=["fixed", "free"])
def test_lists_take_the_shape_of_the_input(save, column, shape) -> None:
    samples = open_samples(save(x=column, label=[5, 6, 7]), [tensor("x", *shape)], role="evaluation")
    assert len(samples) == 3
    for i, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.feeds["x"], VALUES[i : i + 1], strict=True)
        assert sample.id == f"data.parquet[{i}]"
        assert sample.label.item() == i + 5


def test_numbers_text_and_dictionaries(save) -> None:
    file = save(token=[1, 2], label=pa.array(["yes", "no"]).dictionary_encode())
    read = list(open_samples(file, [tensor("token", 1, dtype="int32")], role="evaluation"))
    assert [sample.feeds["token"].tolist() for sample in read] == [[1], [2]]
    assert [sample.label.item() for sample in read] == ["yes", "no"]


def test_a_fixed_batch_is_in_the_row(save) -> None:
    (sample,) = open_samples(save(x=[list(range(8))]), [tensor("x", 2, 4, dtype="int64")], role="calibration")
    assert sample.feeds["x"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_sequences_may_differ_in_length(save) -> None:
    inputs = [tensor("x", 1, 2), tensor("h", 1, 4), tensor("at", 1, dtype="int64"), tensor("rate", dtype="int64")]
    file = save(x=[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0]], at=[[0, 1], [0]], rate=[8, 16])
    read = list(open_samples(file, inputs, role="calibration", state=State(carried={"h": "h_next"})))
    assert [[step["x"].tolist() for step in sample.steps] for sample in read] == [[[[1, 2]], [[3, 4]]], [[[5, 6]]]]
    assert [[step["at"].tolist() for step in sample.steps] for sample in read] == [[[0], [1]], [[0]]]
    assert [step["rate"].item() for sample in read for step in sample.steps] == [8, 8, 16]


@pytest.mark.parametrize("row_group_size", [1, 7, 1000])
def test_chosen_rows_across_row_groups(save, row_group_size) -> None:
    file = save(row_group_size, x=[[float(i)] for i in range(100)])
    for limit in (1, 3, 50, 100):
        samples = open_samples(file, [tensor("x", 1, 1)], role="calibration", limit=limit, seed=limit)
        read = list(samples)
        assert len(read) == limit
        assert [sample.id for sample in read] == [f"data.parquet[{int(sample.feeds['x'].item())}]" for sample in read]


@pytest.mark.parametrize("struct", [False, True], ids=["bytes", "struct"])
def test_images(save, struct) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    raw = stream.getvalue()
    file = save(x=[{"bytes": raw, "path": "a.png"} if struct else raw])
    with pytest.raises(SamplesError, match=r"^data.parquet: nothing says how an image becomes the input 'x'\. Add to"):
        open_samples(file, [tensor("x", 1, 3, 4, 5)], role="calibration")
    preprocess = {"x": ImagePreprocess(scale=1)}
    (sample,) = open_samples(file, [tensor("x", 1, 3, 4, 5)], role="calibration", preprocess=preprocess)
    np.testing.assert_array_equal(sample.feeds["x"][0], pixels.transpose(2, 0, 1))


def test_a_corrupt_image_names_its_row(save) -> None:
    file = save(x=[b"no image"])
    samples = open_samples(file, [tensor("x", 1, 3, 4, 5)], role="calibration", preprocess={"x": ImagePreprocess()})
    with pytest.raises(SamplesError, match=r"^data\.parquet\[0\], input 'x': cannot be read as an image: cannot iden"):
        list(samples)


def test_columns_that_feed_nothing_are_logged(save, caplog) -> None:
    with caplog.at_level(logging.INFO):
        open_samples(save(x=[[1.0]], path=["a"]), [tensor("x", 1, 1)], role="calibration")
    assert caplog.messages == ["data.parquet: columns not used: 'path'"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [[1.0, None]]}, "[0], input 'x': holds 1 nulls. Remove the row."),
        ({"x": [[1.0, 2.0], None]}, "[1], input 'x': is null. Remove the row."),
        (
            {"x": [[[1.0], [2.0, 3.0]]]},
            "[0], input 'x': holds lists of different lengths. Give lists of the input's shape, or flat ones.",
        ),
        (
            {"x": [["a", "b"]]},
            "[0], input 'x': is object, the model takes float32. "
            "Preprocess the samples as the model was trained and save them as float32.",
        ),
        (
            {"x": [[1.0, 2.0, 3.0]]},
            "[0], input 'x': has shape [1, 3] where [1, 2] is needed. "
            "Save the samples in the model's shape, or change that with --shape.",
        ),
        (
            {"xx": [1.0], "label": [1], "y": [1.0]},
            ": 'xx' is not an input of the model, did you mean 'x'? The data must give 'x'.",
        ),
        ({"x": pa.array([], pa.list_(pa.float32()))}, ": holds no samples. Give at least one row."),
    ],
)
def test_refused(save, columns, message) -> None:
    with pytest.raises(SamplesError) as error:
        list(open_samples(save(**columns), [tensor("x", 1, 2)], role="calibration"))
    assert str(error.value) == f"data.parquet{message}"


def test_not_a_parquet_file(save) -> None:
    Path("data.parquet").write_bytes(b"PAR1 and so on, but no footer at all")
    with pytest.raises(SamplesError, match=r"^data\.parquet: is not a Parquet file: Parquet magic bytes not found"):
        open_samples("data.parquet", [tensor("x", 1)], role="calibration")


def test_without_pyarrow(save, monkeypatch) -> None:
    file, found = save(x=[1.0]), builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError) as error:
        open_samples(file, [tensor("x", 1)], role="calibration")
    assert str(error.value) == (
        "data.parquet: needs the package 'pyarrow', which is not installed. "
        'Install it with: pip install "edgec[parquet]"'
    )
