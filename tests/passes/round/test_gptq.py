from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.round.gptq import gptq
from edgec.passes.round.grid import Grid
from edgec.passes.round.loss import losses

LOW, HIGH = -7, 7


def on(scale: np.ndarray | float, *, zero: np.ndarray | float = 0.0, low: int = LOW, high: int = HIGH) -> Grid:
    return Grid(scale=scale, zero=zero, low=low, high=high)


def problem(rows: int, columns: int, *, seed: int = 0, samples: int = 200) -> tuple[np.ndarray, ...]:
    """Weights, the Gram matrix of correlated inputs with a mean, and a 4-bit step for each row."""
    rng = np.random.default_rng((seed, rows, columns))
    x = rng.standard_normal((samples, columns)) @ rng.standard_normal((columns, columns)) + 0.5
    w = rng.standard_normal((rows, columns))
    return w, x.T @ x, np.abs(w).max(axis=1, keepdims=True) / HIGH


def naive(w: np.ndarray, h: np.ndarray, s: np.ndarray, *, percdamp: float = 0.01) -> np.ndarray:
    """Optimal brain quantization with a fixed order: the inverse is formed, and shrunk by elimination (eq. 2 and 3)."""
    w, codes = w.copy(), np.zeros_like(w)
    inverse = np.linalg.inv(h + percdamp * np.mean(np.diag(h)) * np.eye(len(h)))
    for q in range(w.shape[1]):
        codes[:, q] = np.clip(np.rint(w[:, q] / s[:, 0]), LOW, HIGH)
        error = (w[:, q] - codes[:, q] * s[:, 0]) / inverse[q, q]
        w -= np.outer(error, inverse[q])
        inverse -= np.outer(inverse[:, q], inverse[q]) / inverse[q, q]
    return codes


@pytest.mark.parametrize("blocksize", [1, 5, 128])
@pytest.mark.parametrize("columns", [1, 3, 24])
def test_one_column_after_the_other_with_an_explicit_inverse(columns: int, blocksize: int) -> None:
    w, h, s = problem(16, columns)
    expected, plain = naive(w, h, s), np.clip(np.rint(w / s), LOW, HIGH)
    worse = losses(w, expected, h, on(s)) > losses(w, plain, h, on(s))
    expected[worse] = plain[worse]
    assert np.array_equal(gptq(w, h, on(s), blocksize=blocksize, actorder=False), expected)


def test_the_order_is_that_of_the_diagonal() -> None:
    w, h, s = problem(16, 24)
    order = np.argsort(-np.diag(h))
    ordered = gptq(w[:, order], h[np.ix_(order, order)], on(s), actorder=False)
    assert np.array_equal(gptq(w, h, on(s))[:, order], ordered)


@pytest.mark.parametrize("seed", range(5))
def test_between_the_best_of_all_roundings_and_the_nearest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, h, s = problem(8, 4, seed=seed)
    s = s * rng.uniform(2, 4)
    every = np.array(list(product(range(-2, 3), repeat=4)), float)
    best = np.array([losses(row[None], every, h, on(step)).min() for row, step in zip(w, s, strict=True)])
    grid = on(s, low=-2, high=2)
    ours, plain = losses(w, gptq(w, h, grid), h, grid), losses(w, grid.nearest(w), h, grid)
    assert np.all(ours >= best * (1 - 1e-9))
    assert np.all(ours <= plain)
    assert ours.sum() < plain.sum()


def test_it_gains_a_lot_on_correlated_inputs() -> None:
    w, h, s = problem(64, 96)
    ours = losses(w, gptq(w, h, on(s)), h, on(s)).sum()
    assert ours < 0.5 * losses(w, on(s).nearest(w), h, on(s)).sum()


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 9),
    seed=st.integers(0, 10**6),
    samples=st.integers(0, 12),
    magnitude=st.sampled_from([1e-12, 1.0, 1e12]),
    actorder=st.booleans(),
)
def test_no_row_is_worse_than_the_nearest_and_codes_stay_in_range(
    rows: int, columns: int, seed: int, samples: int, magnitude: float, actorder: bool
) -> None:
    """Also with fewer samples than columns, inputs that are always 0, and no sample at all."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, columns)) * rng.integers(0, 2, columns)
    h, w, z = x.T @ x * magnitude, rng.standard_normal((rows, columns)) * 3, rng.integers(-3, 4, (rows, 1))
    grid = on(0.5, zero=z, low=-4, high=3)
    codes = gptq(w, h, grid, actorder=actorder)
    assert np.array_equal(codes, np.rint(codes))
    assert codes.min() >= -4
    assert codes.max() <= 3
    assert np.all(losses(w, codes, h, grid) <= losses(w, grid.nearest(w), h, grid))
    dead = np.diag(h) == 0
    assert np.array_equal(codes[:, dead], grid.nearest(w)[:, dead])


@pytest.mark.parametrize("actorder", [False, True])
def test_independent_inputs_give_the_nearest(actorder: bool) -> None:
    w, _, s = problem(16, 24)
    for h in (np.eye(24), np.diag(np.arange(24.0)), np.zeros((24, 24))):
        assert np.array_equal(gptq(w, h, on(s), actorder=actorder), on(s).nearest(w))


def test_groups_are_problems_of_their_own() -> None:
    each = [problem(2, 9, seed=seed) for seed in range(5)]
    w, h, s = (np.stack(arrays) for arrays in zip(*each, strict=True))
    alone = np.stack([gptq(w, h, on(s)) for w, h, s in each])
    assert np.array_equal(gptq(w, h, on(s)), alone)


def test_steps_may_differ_from_column_to_column() -> None:
    """Per-block scales: the same as columns scaled to one step."""
    w, h, _ = problem(8, 12)
    s = np.repeat([0.1, 0.4, 0.2], 4)
    scaled = gptq(w / s, h * np.outer(s, s), on(1.0), percdamp=0.0, actorder=False)
    assert np.array_equal(gptq(w, h, on(s), percdamp=0.0, actorder=False), scaled)


def test_the_same_codes_twice() -> None:
    w, h, s = problem(32, 64)
    assert gptq(w, h, on(s)).tobytes() == gptq(w, h, on(s)).tobytes()


def test_nothing_it_is_given_changes() -> None:
    w, h, s = problem(4, 6)
    before = [each.copy() for each in (w, h, s)]
    gptq(w, h, on(s))
    assert all(np.array_equal(a, b) for a, b in zip(before, (w, h, s), strict=True))
