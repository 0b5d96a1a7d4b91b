"""What is checked of every sample when it is read, whatever it was read from."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.compiler.samples import open_samples
from edgec.errors import SamplesError
from edgec.runtimes.base import TensorInfo


def tensor(name: str, *shape: int | str | None, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name=name, dtype=np.dtype(dtype), shape=shape)


def read(value: object, want: TensorInfo, label: object = None) -> np.ndarray:
    (sample,) = open_samples([({want.name: value}, label)], [want], role="calibration")
    return sample.feeds[want.name]


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (np.float64, "float32"),
        (np.float16, "float32"),
        (">f4", "float32"),
        (np.float32, "float64"),
        (np.int32, "int64"),
        (np.int64, "int32"),
        (np.uint8, "int64"),
        (np.int16, "uint8"),
        (bool, "bool"),
    ],
)
def test_casts_that_keep_every_value(have, want) -> None:
    data = np.array([[0, 1, 1]]).astype(have)
    feed = read(data, tensor("x", 1, 3, dtype=want))
    assert feed.dtype == np.dtype(want)
    assert feed.tolist() == data.tolist()


def test_lists_and_text() -> None:
    assert read([[1, 2]], tensor("x", 1, 2, dtype="int32")).dtype == np.int32
    assert read([[1.5, 2]], tensor("x", 1, 2)).dtype == np.float32
    assert read(np.array(["a", "bc"]), tensor("x", "N", dtype="object")).tolist() == ["a", "bc"]


def test_feeds_are_contiguous() -> None:
    feed = read(np.arange(6, dtype=np.float32).reshape(1, 3, 2).transpose(0, 2, 1), tensor("x", 1, 2, 3))
    assert feed.flags.c_contiguous
    assert feed.tolist() == [[[0, 2, 4], [1, 3, 5]]]


def test_a_sum_that_overflows_is_no_fault() -> None:
    largest = np.full((1, 4), np.finfo(np.float32).max)
    np.testing.assert_array_equal(read(largest, tensor("x", 1, 4)), largest)


NAN, INF = np.nan, np.inf
SAVE = "Save the samples in the model's shape, or change that with --shape."
MEND = "Remove or mend the sample; NaN and Inf cannot be calibrated or scored."


@pytest.mark.parametrize(
    ("value", "want", "problem"),
    [
        (
            np.array([[0, NAN, 0]], np.float32),
            tensor("x", 1, 3),
            f"1 of 3 values is not finite: NaN at [0, 1] comes first. {MEND}",
        ),
        (
            np.array([[0, -INF, NAN]], np.float32),
            tensor("x", 1, 3),
            f"2 of 3 values are not finite: Inf at [0, 1] comes first. {MEND}",
        ),
        (np.array([[1e300]]), tensor("x", 1, 1), f"1 of 1 values is not finite: Inf at [0, 0] comes first. {MEND}"),
        (np.array(NAN, np.float32), tensor("x"), f"1 of 1 values is not finite: NaN. {MEND}"),
        (
            np.zeros((1, 3), np.uint8),
            tensor("x", 1, 3),
            "is uint8, the model takes float32. "
            "Preprocess the samples as the model was trained and save them as float32.",
        ),
        (
            np.zeros((1, 3), np.float32),
            tensor("x", 1, 3, dtype="int64"),
            "is float32, the model takes int64. "
            "Preprocess the samples as the model was trained and save them as int64.",
        ),
        (
            np.zeros((1, 3), np.float32),
            tensor("x", 1, 3, dtype="float16"),
            "is float32, the model takes float16. "
            "Preprocess the samples as the model was trained and save them as float16.",
        ),
        (
            np.array([[-1, 300]]),
            tensor("x", 1, 2, dtype="uint8"),
            "holds int64 values from -1 to 300, which do not fit uint8. Save values that fit uint8.",
        ),
        (np.zeros((1, 4)), tensor("x", "N", 3), f"has shape [1, 4] where [N, 3] is needed. {SAVE}"),
        (np.zeros((3, 3)), tensor("x", 4, None), f"has shape [3, 3] where [4, ?] is needed. {SAVE}"),
        (np.zeros((1, 1, 3)), tensor("x", "N", 3), f"has shape [1, 1, 3] where [N, 3] is needed. {SAVE}"),
        (np.zeros(3), tensor("x", "N", 3), "has shape [3] where [N, 3] is needed. Add the batch axis."),
        (np.zeros((0, 3)), tensor("x", "N", 3), "with shape [0, 3] is empty. Remove the sample."),
    ],
)
def test_refused(value, want, problem) -> None:
    with pytest.raises(SamplesError) as error:
        read(value, want)
    assert str(error.value) == f"list[0], input 'x': {problem}"


def test_names() -> None:
    inputs = [tensor("image", 1, 3), tensor("mask", 1, 3)]
    x = np.zeros((1, 3), np.float32)
    with pytest.raises(SamplesError) as error:
        list(open_samples([{"image": x, "maks": x}], inputs, role="calibration"))
    assert str(error.value) == (
        "list[0]: 'maks' is not an input of the model, did you mean 'mask'? The data must give 'image', 'mask'."
    )
    with pytest.raises(SamplesError) as error:
        list(open_samples([{"image": x, "mask": x}, {"image": x}], inputs, role="calibration"))
    assert str(error.value) == "list[1]: input 'mask' is missing; there is 'image'. The data must give 'image', 'mask'."


def test_labels() -> None:
    x = np.zeros((1, 3), np.float32)
    with pytest.raises(SamplesError) as error:
        read(x, tensor("x", 1, 3), label=NAN)
    assert str(error.value) == f"list[0], label: 1 of 1 values is not finite: NaN. {MEND}"
    with pytest.raises(SamplesError) as error:
        read(x, tensor("x", 1, 3), label=object())
    assert str(error.value) == (
        "list[0], label: is not a number, an array of numbers or text but object. "
        "Give the label as a number, an array or a string."
    )


def test_all_samples_are_labelled_or_none() -> None:
    x = {"x": np.zeros((1, 3), np.float32)}
    with pytest.raises(SamplesError) as error:
        list(open_samples([(x, 1), x], [tensor("x", 1, 3)], role="evaluation"))
    assert str(error.value) == "list[1]: has no label, samples before it have one. Give every sample a label, or none."
    with pytest.raises(SamplesError) as error:
        list(open_samples([x, (x, 1)], [tensor("x", 1, 3)], role="evaluation"))
    assert str(error.value) == "list[1]: has a label, samples before it have none. Give every sample a label, or none."
