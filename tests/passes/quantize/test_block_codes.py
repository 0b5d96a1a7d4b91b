from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.quantize.block_codes import code_scales, parts_of


def squared(block: list[float], scale: np.float32, qmax: int) -> float:
    """Error of one block, one weight after the other."""
    found = 0.0
    for w in block:
        code = min(max(round(w / float(scale)), -qmax), qmax)
        found += (w - code * float(scale)) ** 2
    return found


def by_hand(x: np.ndarray, size: int, qmax: int) -> np.ndarray:
    """Codes: 16 for the block with a column's largest weight, for others the best of the covering one and two below."""
    found = np.zeros((len(x) // size, x.shape[1]), int)
    for n in range(x.shape[1]):
        blocks = [x[k : k + size, n] for k in range(0, len(x), size)]
        peaks = [float(np.abs(block).max()) for block in blocks]
        channel = np.float32(max(peaks)) / np.float32(qmax) / np.float32(16)
        for b, block in enumerate(blocks):
            covering = next(code for code in range(1, 17) if code * float(channel) * qmax >= peaks[b] * (1 - 1e-5))
            tried = [16] if peaks[b] == max(peaks) else [max(1, covering - k) for k in range(3)]
            found[b, n] = min(tried, key=lambda code: squared(block.tolist(), np.float32(code) * channel, qmax))
    return found


@pytest.mark.parametrize("qmax", [7, 3])
def test_codes_against_a_search_by_hand(qmax: int) -> None:
    rng = np.random.default_rng(3)
    x = (rng.standard_t(4, (32, 5)) * np.repeat(rng.uniform(0.02, 1, (4, 5)), 8, axis=0)).astype(np.float32)
    parts = parts_of(code_scales(x, 8, qmax))
    assert parts is not None
    codes, channel = parts
    np.testing.assert_array_equal(codes, by_hand(x, 8, qmax))
    np.testing.assert_allclose(channel, np.abs(x).max(axis=0) / qmax / 16, rtol=1e-6)
    assert len(np.unique(codes)) > 4


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4), st.floats(1e-30, 1e30))
def test_parts_are_found_again(seed: int, blocks: int, columns: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((blocks * 4, columns)) * rng.choice([0, 1e-6, 1], (blocks * 4, 1)) * size).astype(
        np.float32
    )
    scale = code_scales(x, 4, 7)
    parts = parts_of(scale)
    assert parts is not None
    codes, channel = parts
    assert codes.dtype == np.uint8
    assert channel.dtype == np.float32
    assert codes.min() >= 1
    np.testing.assert_array_equal(codes.max(axis=0), 16)
    np.testing.assert_array_equal(codes.astype(np.float32) * channel, scale)


def test_a_column_of_zeros_has_scales_too() -> None:
    x = np.zeros((8, 2), np.float32)
    x[5, 1] = 14
    np.testing.assert_array_equal(code_scales(x, 4, 7), np.float32([[1, 0.125], [0.0625, 2]]))


@pytest.mark.parametrize(
    "scale",
    [
        [[1.0, 2.0], [0.3, 0.25]],
        [[1.0], [0.0]],
        [[1.0], [1 / 64]],
        [[np.inf], [1.0]],
        [[1e-38], [1e-38]],
    ],
    ids=["no multiple", "a scale of 0", "a code below 1", "not finite", "subnormal"],
)
def test_scales_that_have_no_parts(scale: list[list[float]]) -> None:
    assert parts_of(np.float32(scale)) is None
