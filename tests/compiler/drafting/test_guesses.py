"""What a signature suggests, and what it does not."""

from __future__ import annotations

import pytest

from edgec.compiler.drafting.guesses import (
    Image,
    classes_of,
    free_dimensions,
    image_of,
    is_batch,
    start_of,
    state_of,
    suggested_shape,
)
from edgec.compiler.inspect import Tensor


def tensor(*shape: int | str | None, name: str = "x", dtype: str = "float") -> Tensor:
    return Tensor(name=name, dtype=dtype, shape=shape)


@pytest.mark.parametrize(
    ("given", "image"),
    [
        (tensor("N", 3, 224, 160), ("nchw", 3, 224, 160)),
        (tensor(None, 96, 96, 3), ("nhwc", 3, 96, 96)),
        (tensor(1, 1, 24, 94), ("nchw", 1, 24, 94)),
        (tensor(1, 3, "H", "W"), ("nchw", 3, None, None)),
        (tensor(3, 32, 32), ("nchw", 3, 32, 32)),
        (tensor(1, 480, 640, 3, dtype="uint8"), ("nhwc", 3, 480, 640)),
        (tensor(1, 80, 3000), None),  # a spectrogram
        (tensor("N", 49, 10, 1), None),  # coefficients of speech
        (tensor(1, 257, 1, 2), None),
        (tensor(1, 16, 24, 24), None),  # channels of a net
        (tensor("N", 3, 32, 32, dtype="int64"), None),
        (tensor("N", 10), None),
        (Tensor(name="x", dtype="float", shape=None), None),
    ],
)
def test_images(given: Tensor, image: tuple[str, int, int | None, int | None] | None) -> None:
    found = image_of(given)
    if image is None:
        assert found is None
    else:
        layout, channels, height, width = image
        assert found == Image(layout=layout, channels=channels, height=height, width=width)


@pytest.mark.parametrize(
    ("inputs", "outputs", "pairs"),
    [
        ([tensor(1, 8, name="h_in")], [tensor(1, 8, name="h_out")], {"h_in": "h_out"}),
        ([tensor(2, None, 4, name="state")], [tensor(None, None, None, name="stateN")], {"state": "stateN"}),
        ([tensor(1, "P", name="past_k")], [tensor(1, "P1", name="present_k")], {"past_k": "present_k"}),
        ([tensor(2, 3, name="tra_cache")], [tensor(2, 3, name="tra_cache_out")], {"tra_cache": "tra_cache_out"}),
        # One output is fed back once.
        (
            [tensor(1, name="c_in"), tensor(1, name="c_prev")],
            [tensor(1, name="c_out"), tensor(1, name="c_next")],
            {"c_in": "c_out", "c_prev": "c_next"},
        ),
        ([tensor(1, 3, name="input")], [tensor(1, 3, name="output")], {}),  # nothing but in and out in their names
        ([tensor(1, 8, name="h_in")], [tensor(1, 9, name="h_out")], {}),
        ([tensor(1, 8, name="h_in")], [tensor(1, 8, name="h_out", dtype="float16")], {}),
        ([tensor(1, 8, name="h_in")], [tensor(8, name="h_out")], {}),
        ([tensor(1, 8, name="image")], [tensor(1, 8, name="logits")], {}),
    ],
)
def test_state(inputs: list[Tensor], outputs: list[Tensor], pairs: dict[str, str]) -> None:
    assert state_of(inputs, outputs) == pairs


def test_what_a_state_starts_with() -> None:
    assert start_of(tensor(5, 1, "P", 8), tensor(5, 1, "P1", 8)) == [5, 1, 0, 8]  # it grows
    assert start_of(tensor(2, None, 4), tensor(None, None, None)) == [2, 1, 4]
    assert start_of(tensor("N", 4), tensor("N", 4)) == [1, 4]
    assert start_of(tensor(2, 4), tensor(2, 4)) is None


def test_free_dimensions() -> None:
    assert free_dimensions(tensor("N", 3, None, 8)) == (0, 2)
    assert suggested_shape(tensor("N", 3, None, "W")) == [1, 3, 224, 224]
    assert suggested_shape(tensor("B", "T")) == [1, 128]
    batches = [tensor(each, 4) for each in ("N", "batch_size", "unk__12", None, "T", 1)]
    assert [is_batch(each) for each in batches] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("outputs", "classes"),
    [
        ([tensor("N", 10)], 10),
        ([tensor(1, 1000, 1, 1)], 1000),
        ([tensor("N", 1)], None),
        ([tensor(1, 68, 18)], None),
        ([tensor("N", 10), tensor("N", 4)], None),
        ([tensor("N", 10, dtype="int64")], None),
        ([tensor(64, 10)], None),
    ],
)
def test_classes(outputs: list[Tensor], classes: int | None) -> None:
    assert classes_of(outputs) == classes
