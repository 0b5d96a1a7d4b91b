from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.graphs import weights

from edgec.passes.weight_only.packing import block_length, pack, pack_blocks

SHAPES = arrays.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=6)
NUMBERS = st.floats(-1e3, 1e3, width=32)


@settings(derandomize=True, deadline=None)
@given(arrays.arrays(np.float32, SHAPES, elements=NUMBERS), st.data())
def test_half_a_step_at_most(w: np.ndarray, data: st.DataObject) -> None:
    summed = data.draw(st.sets(st.integers(0, w.ndim - 1), min_size=1, max_size=w.ndim - 1))
    packed = pack(w, sorted(summed), "int8", per_channel=True)
    assert packed.codes.shape == w.shape
    assert packed.scale.shape == tuple(1 if k in summed else size for k, size in enumerate(w.shape))
    assert np.all(np.abs(packed.codes * packed.scale - w) <= 0.5001 * packed.scale + 1e-30)


def test_each_channel_has_its_own_scale() -> None:
    w = np.array([[[1.0, 2.54]], [[0.1, -0.0127]]], np.float32)
    packed = pack(w, (1, 2), "int8", per_channel=True)
    assert np.allclose(packed.scale.reshape(-1), [0.02, 0.1 / 127])
    assert packed.codes.reshape(-1).tolist() == [50, 127, 127, -16]
    assert packed.nbytes == 4 + 8


def test_one_scale_for_all() -> None:
    packed = pack(np.array([[127.0, 1.0], [0.4, -127.0]], np.float32), (1,), "int8", per_channel=False)
    assert packed.scale.shape == ()
    assert packed.codes.tolist() == [[127, 1], [0, -127]]


@pytest.mark.parametrize(
    ("length", "size", "block"),
    [(64, 32, 32), (48, 32, 24), (27, 32, 27), (16, 32, 16), (15, 32, None), (74, 32, None), (100, 64, 50)],
)
def test_block_lengths(length: int, size: int, block: int | None) -> None:
    assert block_length(length, size) == block


def reference_blocks(row: np.ndarray) -> float:
    """Least squared error of one block over the scales tried, by a plain loop."""
    extreme = row[np.argmax(np.abs(row))]
    best = np.inf
    for m in (-9, -8.5, -8, -7.5, -7, -6.5, 6, 6.5, 7, 7.5):
        s = np.float32(extreme / m)
        best = min(best, float(sum((min(7, max(-8, np.rint(x / s))) * s - x) ** 2 for x in row)))
    return best


def test_blocks_have_the_least_error_of_the_scales_tried() -> None:
    w = weights(3, 64)
    packed = pack_blocks(w, (1,), 32)
    assert packed is not None
    assert packed.codes.shape == (3, 2, 32, 1)
    assert packed.scale.shape == (3, 2, 1, 1)
    assert packed.codes.dtype.name == "int4"
    assert packed.nbytes == 96 + 24
    real = (packed.codes.astype(np.float32) * packed.scale).reshape(3, 2, 32)
    for row, back in zip(w.reshape(6, 32), real.reshape(6, 32), strict=True):
        assert np.isclose(np.square(back - row).sum(), reference_blocks(row), rtol=1e-4)


def test_a_block_of_zeros() -> None:
    packed = pack_blocks(np.zeros((2, 32), np.float32), (1,), 32)
    assert packed is not None
    assert not packed.codes.astype(np.int8).any()
    assert np.all(packed.scale == 1)


def test_axes_that_do_not_lie_together_have_no_blocks() -> None:
    assert pack_blocks(weights(32, 8, 3, 3), (0, 2, 3), 32) is None
