"""One .npz or .npy: sample axis, batch axis, steps, labels, streaming, and what is refused."""

from __future__ import annotations

import logging
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.samples import State, open_samples
from edgec.errors import SamplesError
from edgec.runtimes.base import TensorInfo


def tensor(name: str, *shape: int | str | None, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


X = tensor("x", "N", 2, 3)
RECURRENT = (tensor("x", 1, 2, 3), tensor("h", 1, 4))
STATE = State(carried={"h": "h_next"})


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.fixture
def save(tmp_path: Path):
    def write(compressed: bool = False, **arrays: np.ndarray) -> Path:
        file = tmp_path / "data.npz"
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
        return file

    return write


@pytest.mark.parametrize("compressed", [False, True], ids=["stored", "deflated"])
def test_the_first_axis_is_the_sample_and_the_batch_axis_is_kept(save, compressed) -> None:
    x = ramp(5, 2, 3)
    samples = open_samples(save(compressed, x=x, label=np.arange(5)), [X], role="calibration")
    assert len(samples) == 5
    for _ in range(2):  # can be read again
        read = list(samples)
        assert [sample.id for sample in read] == [f"data.npz[{i}]" for i in range(5)]
        assert [int(sample.label) for sample in read] == [0, 1, 2, 3, 4]
        for i, sample in enumerate(read):
            np.testing.assert_array_equal(sample.feeds["x"], x[i : i + 1], strict=True)


@pytest.mark.parametrize("compressed", [False, True], ids=["stored", "deflated"])
def test_chosen_rows_are_read_past_the_others(save, compressed) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2, 3)).astype(np.float32)
    samples = open_samples(save(compressed, x=x, labels=np.arange(40)), [X], role="calibration", limit=7, seed=3)
    chosen = [int(sample.label) for sample in samples]
    assert chosen == sorted(chosen)
    assert len(set(chosen)) == 7
    for i, sample in zip(chosen, samples, strict=True):
        assert sample.id == f"data.npz[{i}]"
        np.testing.assert_array_equal(sample.feeds["x"], x[i : i + 1])


def test_two_passes_at_once(save) -> None:
    samples = open_samples(save(compressed=True, x=ramp(5, 2, 3)), [X], role="calibration")
    for one, other in zip(samples, samples, strict=True):
        np.testing.assert_array_equal(one.feeds["x"], other.feeds["x"])


def test_an_array_with_a_batch_axis_of_its_own_is_taken_as_it_is(save) -> None:
    x = ramp(5, 4, 2, 3)
    read = list(open_samples(save(x=x), [X], role="calibration"))
    np.testing.assert_array_equal(read[2].feeds["x"], x[2], strict=True)


def test_two_inputs_one_of_rank_zero(save) -> None:
    inputs = [X, tensor("rate", dtype="int64")]
    read = list(open_samples(save(x=ramp(3, 2, 3), rate=np.array(16000)), inputs, role="calibration"))
    assert [sample.feeds["rate"].tolist() for sample in read] == [16000] * 3
    read = list(open_samples(save(x=ramp(3, 2, 3), rate=np.arange(3)), inputs, role="calibration"))
    assert [sample.feeds["rate"].tolist() for sample in read] == [0, 1, 2]
    assert read[0].feeds["rate"].shape == ()


def test_a_fixed_batch_takes_consecutive_rows_with_their_labels(save, caplog) -> None:
    x = ramp(10, 2, 3)
    with caplog.at_level(logging.WARNING):
        file = save(x=x, label=np.arange(10))
        samples = open_samples(file, [tensor("x", 4, 2, 3)], role="calibration")
    assert caplog.messages == [f"{file}, input 'x': the last 2 of 10 rows make no batch of 4: not used"]
    read = list(samples)
    assert len(samples) == len(read) == 2
    np.testing.assert_array_equal(read[1].feeds["x"], x[4:8])
    np.testing.assert_array_equal(read[1].label, [4, 5, 6, 7])


def test_a_single_array_feeds_a_single_input_and_that_is_logged(save, caplog) -> None:
    with caplog.at_level(logging.INFO):
        file = save(pictures=ramp(2, 2, 3))
        samples = open_samples(file, [X], role="calibration")
    assert caplog.messages == [f"{file}: 'pictures' feeds the only input, 'x'"]
    np.testing.assert_array_equal(next(iter(samples)).feeds["x"], ramp(1, 2, 3))


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ramp(4, 2, 3))
    read = list(open_samples(tmp_path / "x.npy", [X], role="calibration"))
    np.testing.assert_array_equal(read[3].feeds["x"], ramp(4, 2, 3)[3:])
    assert read[3].id == "x.npy[3]"


def test_an_input_called_label_is_an_input(save) -> None:
    inputs = [X, tensor("label", "N", dtype="int64")]
    read = list(open_samples(save(x=ramp(2, 2, 3), label=np.arange(2)), inputs, role="calibration"))
    assert read[1].feeds["label"].tolist() == [1]
    assert read[1].label is None


@pytest.mark.parametrize(
    ("x", "steps"),
    [(ramp(2, 5, 2, 3), 5), (ramp(2, 5, 1, 2, 3), 5), (ramp(2, 2, 3), 1)],
    ids=["steps", "steps with batch axis", "one step"],
)
def test_sequences(save, x, steps) -> None:
    read = list(open_samples(save(x=x), RECURRENT, role="calibration", state=STATE))
    assert [len(sample.steps) for sample in read] == [steps, steps]
    flat = x.reshape(2, steps, 1, 2, 3)
    for i, sample in enumerate(read):
        for t, step in enumerate(sample.steps):
            assert list(step) == ["x"]
            np.testing.assert_array_equal(step["x"], flat[i, t], strict=True)


def test_an_array_without_steps_is_constant_over_them(save) -> None:
    inputs = [*RECURRENT, tensor("speaker", 1, 7), tensor("rate", dtype="int64"), tensor("gain", dtype="float32")]
    file = save(x=ramp(2, 5, 2, 3), speaker=ramp(2, 7), rate=np.array([8, 16]), gain=ramp(2, 5))
    _, second = open_samples(file, inputs, role="calibration", state=STATE)
    assert [step["rate"].item() for step in second.steps] == [16] * 5
    assert [step["gain"].item() for step in second.steps] == [5, 6, 7, 8, 9]
    assert all(np.array_equal(step["speaker"], ramp(2, 7)[1:]) for step in second.steps)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"xx": ramp(2, 2, 3), "y": ramp(2)},
            "data.npz: 'xx' is not an input of the model, did you mean 'x'? The data must give 'x'.",
        ),
        ({}, "data.npz: input 'x' is missing; there is nothing. The data must give 'x'."),
        (
            {"x": ramp(3, 2, 3), "label": np.arange(2)},
            "data.npz, 'label': has 2 labels for 3 samples. Save one label per sample.",
        ),
        (
            {"x": ramp(3, 2, 3), "label": np.arange(3), "labels": np.arange(3)},
            "data.npz: has both 'label', 'labels'. Keep one of them.",
        ),
        (
            {"x": ramp(2, 3)},
            "data.npz, input 'x': the array has 2 axes, which [N, 2, 3] cannot be read from. "
            "Save it as [samples, 2, 3].",
        ),
        ({"x": ramp(0, 2, 3)}, "data.npz: holds no samples. Give at least one sample."),
        (
            {"x": np.array([{}], object)},
            "data.npz, array 'x': holds Python objects, which are pickled code and are not loaded. "
            "Save arrays of numbers; samples of different shapes go into a folder, one file each.",
        ),
        (
            {"x": np.asfortranarray(ramp(4, 2, 3))},
            "data.npz, array 'x': is stored in Fortran order, which cannot be read sample by sample. "
            "Save np.ascontiguousarray(array).",
        ),
    ],
    ids=["unknown", "missing", "labels", "two labels", "rank", "empty", "objects", "fortran"],
)
def test_refused_when_opened(save, monkeypatch, arrays, message) -> None:
    file = save(**arrays)
    monkeypatch.chdir(file.parent)
    with pytest.raises(SamplesError) as error:
        open_samples(file.name, [X], role="calibration")
    assert str(error.value) == message


def test_inputs_must_agree_in_number(save, monkeypatch) -> None:
    file = save(x=ramp(3, 2, 3), mask=ramp(2, 7))
    monkeypatch.chdir(file.parent)
    with pytest.raises(SamplesError) as error:
        open_samples(file.name, [X, tensor("mask", "N", 7)], role="calibration")
    assert str(error.value) == (
        "data.npz, input 'mask': has 2 samples, input 'x' has 3. Save the same number of samples for every input."
    )


def test_steps_must_agree(save) -> None:
    inputs = [*RECURRENT, tensor("y", 1, 3)]
    samples = open_samples(save(x=ramp(2, 5, 2, 3), y=ramp(2, 4, 3)), inputs, role="calibration", state=STATE)
    with pytest.raises(SamplesError) as error:
        list(samples)
    assert str(error.value) == (
        "data.npz[0], input 'y': has 4 steps, the sample has 5. "
        "Give every input the same number of steps, or one that holds for all."
    )


def test_rank_of_sequences(save, monkeypatch) -> None:
    file = save(x=ramp(2, 3))
    monkeypatch.chdir(file.parent)
    with pytest.raises(SamplesError) as error:
        open_samples(file.name, RECURRENT, role="calibration", state=STATE)
    assert str(error.value) == (
        "data.npz, input 'x': the array has 2 axes, which [1, 2, 3] cannot be read from. "
        "Save it as [samples, 2, 3] or [samples, steps, 2, 3]."
    )


def test_a_carried_input_in_the_data(save, monkeypatch) -> None:
    file = save(x=ramp(2, 5, 2, 3), h=ramp(2, 4))
    monkeypatch.chdir(file.parent)
    with pytest.raises(SamplesError) as error:
        open_samples(file.name, RECURRENT, role="calibration", state=STATE)
    assert str(error.value) == (
        "data.npz: gives 'h', which the state carries from output 'h_next'. "
        "Leave it out of the data; a value to start from goes into the state's start."
    )


def test_not_a_zip(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.npz").write_bytes(b"hello")
    with pytest.raises(SamplesError) as error:
        open_samples("data.npz", [X], role="calibration")
    assert str(error.value) == (
        "data.npz: is not an .npz file: File is not a zip file. "
        "Save the file again, for example with np.savez(path, **arrays)."
    )


def test_a_member_that_is_no_array(save, monkeypatch) -> None:
    file = save(x=ramp(2, 2, 3))
    monkeypatch.chdir(file.parent)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SamplesError) as error:
        open_samples("data.npz", [X], role="calibration")
    assert str(error.value) == (
        "data.npz, array 'readme.txt': is not a .npy array. "
        "Save the file again, for example with np.savez(path, **arrays)."
    )


def test_a_truncated_npy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", ramp(2, 2, 3))
    Path("x.npy").write_bytes(Path("x.npy").read_bytes()[:-4])
    with pytest.raises(SamplesError) as error:
        open_samples("x.npy", [X], role="calibration")
    assert str(error.value) == (
        "x.npy: ends early: 172 bytes, its header says 176. "
        "Save the file again, for example with np.savez(path, **arrays)."
    )


def test_a_bit_that_flipped_in_a_deflated_array(save) -> None:
    noise = np.random.default_rng(0).integers(0, 2**31, (5000, 2, 3), np.int32)
    file = save(compressed=True, x=noise)
    raw = bytearray(file.read_bytes())
    raw[50_000] ^= 0xFF
    file.write_bytes(raw)
    with pytest.raises(SamplesError, match=r"^data\.npz\[\d+\], array 'x': cannot be read: "):
        list(open_samples(file, [tensor("x", "N", 2, 3, dtype="int32")], role="calibration"))


MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from edgec.compiler.samples import open_samples
from edgec.runtimes.base import TensorInfo
x = TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(1, 1024, 100))
samples = open_samples(sys.argv[1], [x], role="calibration")
assert sum(1 for _ in samples) == 1024
samples.digest()
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss of Linux begins with the peak of the process that started this one
    (peak,) = (int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(peak)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read with the module resource")
@pytest.mark.parametrize("compressed", [False, True], ids=["stored", "deflated"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, compressed: bool) -> None:
    file = tmp_path / "big.npz"
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive, archive.open("x.npy", "w") as member:
        header = {"descr": "<f4", "fortran_order": False, "shape": (1024, 1024, 100)}
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(1024):
            member.write(bytes(1024 * 100 * 4))
    done = subprocess.run([sys.executable, "-c", MEASURE, file], capture_output=True, text=True, check=True)
    file.unlink()
    assert int(done.stdout) < 150e6
