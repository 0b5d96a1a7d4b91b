"""Sums held in 16 bits by pairs, against loops over Python's integers, and the laws they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.passes.check.avx2 import HIGH, LOW, can_saturate, sums


def looped(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Exact, held, saturated and all pairs, one product after another."""
    (n, k), m = x.shape, w.shape[1]
    exact, held = np.zeros((n, m), np.int64), np.zeros((n, m), np.int64)
    saturated = pairs = 0
    for row in range(n):
        for column in range(m):
            for at in range(0, k, 2):
                total = sum(int(x[row, j]) * int(w[j, column]) for j in range(at, min(at + 2, k)))
                exact[row, column] += total
                held[row, column] += max(-(2**15), min(2**15 - 1, total))
                saturated, pairs = saturated + (not -(2**15) <= total < 2**15), pairs + 1
    return exact, held, saturated, pairs


def codes(rng: np.random.Generator, n: int, k: int, m: int, *, extreme: bool) -> tuple[np.ndarray, np.ndarray]:
    if extreme:
        return rng.choice([0, 254, 255], (n, k)).astype(np.uint8), rng.choice([-128, -127, 126, 127], (k, m)).astype(
            np.int8
        )
    return rng.integers(0, 256, (n, k)).astype(np.uint8), rng.integers(-128, 128, (k, m)).astype(np.int8)


@given(
    seed=st.integers(0, 10_000), n=st.integers(0, 4), k=st.integers(1, 11), m=st.integers(1, 5), extreme=st.booleans()
)
def test_against_a_loop(seed: int, n: int, k: int, m: int, extreme: bool) -> None:
    x, w = codes(np.random.default_rng(seed), n, k, m, extreme=extreme)
    found, (exact, held, saturated, pairs) = sums(x, w), looped(x, w)
    assert found.exact.dtype == found.held.dtype == np.int32
    np.testing.assert_array_equal(found.exact, exact)
    np.testing.assert_array_equal(found.held, held)
    assert (found.saturated, found.pairs) == (saturated, pairs)


def test_by_hand() -> None:
    """255 · 127 + 255 · 127 = 64770 is held at 32767; 255 · 127 + 255 · 0 = 32385 is not; -65280 is held at -32768."""
    x = np.asarray([[255, 255, 255, 255, 255, 255]], np.uint8)
    w = np.asarray([[127], [127], [127], [0], [-128], [-128]], np.int8)
    found = sums(x, w)
    assert (found.exact.item(), found.held.item()) == (64770 + 32385 - 65280, 32767 + 32385 - 32768)
    assert (found.saturated, found.pairs) == (2, 3)


def test_neighbours_are_paired_not_what_is_between() -> None:
    """The same weights in another order: 127 beside 0 never saturates."""
    x = np.full((1, 4), 255, np.uint8)
    beside, apart = (np.asarray(w, np.int8)[:, None] for w in ([127, 127, 0, 0], [127, 0, 127, 0]))
    assert sums(x, beside).held.item() == 32767
    assert sums(x, apart).held.item() == sums(x, apart).exact.item() == 64770


@given(seed=st.integers(0, 10_000), k=st.integers(1, 40))
def test_exact_where_no_pair_can_saturate(seed: int, k: int) -> None:
    """7-bit weights, whatever the activations; and any weights of opposite signs in a pair."""
    rng = np.random.default_rng(seed)
    x = rng.choice([0, 3, 128, 254, 255], (3, k)).astype(np.uint8)
    seven = rng.integers(-64, 65, (k, 4)).astype(np.int8)
    opposite = rng.integers(0, 128, (k, 4)).astype(np.int8)
    opposite[1::2] = -opposite[1::2] - 1
    for w in (seven, opposite):
        found = sums(x, w)
        np.testing.assert_array_equal(found.held, x.astype(np.int64) @ w.astype(np.int64))
        assert found.saturated == 0
        assert not can_saturate(w)


@given(first=st.integers(-128, 127), second=st.integers(-128, 127))
def test_what_can_saturate_does_at_the_largest_codes(first: int, second: int) -> None:
    w = np.asarray([[first], [second]], np.int8)
    extremes = [[a, b] for a in (0, 255) for b in (0, 255)]
    assert can_saturate(w) == (sums(np.asarray(extremes, np.uint8), w).saturated > 0)


def test_an_odd_last_weight_has_no_neighbour() -> None:
    assert not can_saturate(np.asarray([[-128]], np.int8))
    assert can_saturate(np.asarray([[0], [0], [-128], [-128], [127]], np.int8))


@pytest.mark.parametrize("rows", [1, 5000])
def test_rows_are_independent(rows: int) -> None:
    """More rows than are multiplied at once give what each gives alone."""
    rng = np.random.default_rng(0)
    x, w = codes(rng, rows, 6, 3, extreme=True)
    whole = sums(x, w)
    for row in (0, rows // 2, rows - 1):
        np.testing.assert_array_equal(whole.held[row : row + 1], sums(x[row : row + 1], w).held)
    assert whole.saturated == sum(sums(x[at : at + 97], w).saturated for at in range(0, rows, 97))


def test_bounds_are_those_of_16_bits() -> None:
    assert (np.iinfo(np.int16).min, np.iinfo(np.int16).max) == (LOW, HIGH)
