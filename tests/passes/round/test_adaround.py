from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.round.adaround import adaround, learn
from edgec.passes.round.gptq import gptq
from edgec.passes.round.grid import Grid
from edgec.passes.round.loss import losses

LOW, HIGH = -7, 7


def on(scale: np.ndarray | float, *, zero: np.ndarray | float = 0.0, low: int = LOW, high: int = HIGH) -> Grid:
    return Grid(scale=scale, zero=zero, low=low, high=high)


def problem(rows: int, columns: int, *, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng((seed, rows, columns))
    x = np.maximum(rng.standard_normal((200, columns)) + 0.3, 0.0)
    w = rng.standard_normal((rows, columns))
    return w, x.T @ x, np.abs(w).max(axis=1, keepdims=True) / HIGH


def best_up_or_down(w: np.ndarray, h: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The least loss of each row over all 2^columns roundings down and up."""
    floor = np.floor(w / s)
    ways = np.array(list(product((0.0, 1.0), repeat=w.shape[1])))
    every = np.clip(floor[:, None] + ways, LOW, HIGH)
    lost = [losses(row[None], codes, h, on(step)).min() for row, codes, step in zip(w, every, s, strict=True)]
    return np.array(lost)


def test_it_finds_nearly_the_best_of_all_roundings_down_and_up() -> None:
    w, h, s = problem(64, 9)
    best, plain = best_up_or_down(w, h, s).sum(), losses(w, on(s).nearest(w), h, on(s)).sum()
    learned = losses(w, learn(w, h, on(s)), h, on(s)).sum()
    assert best <= learned < best + 0.1 * (plain - best)


def test_it_goes_down_or_up() -> None:
    w, h, s = problem(16, 24)
    moved = learn(w, h, on(s)) - np.floor(w / s)
    assert set(np.unique(moved[np.abs(w / s) < HIGH - 1])) == {0.0, 1.0}


def test_it_beats_second_order_rounding_on_well_conditioned_inputs() -> None:
    w, h, s = problem(64, 48)
    lost = {each.__name__: losses(w, each(w, h, on(s)), h, on(s)) for each in (gptq, learn, adaround)}
    assert lost["learn"].sum() < lost["gptq"].sum()
    assert np.array_equal(lost["adaround"], np.minimum(lost["gptq"], lost["learn"]))


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 8),
    seed=st.integers(0, 10**6),
    samples=st.integers(0, 12),
    magnitude=st.sampled_from([1e-12, 1.0, 1e12]),
)
def test_no_row_is_worse_than_gptq_and_codes_stay_in_range(
    rows: int, columns: int, seed: int, samples: int, magnitude: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, columns)) * rng.integers(0, 2, columns)
    h, w, z = x.T @ x * magnitude, rng.standard_normal((rows, columns)) * 3, rng.integers(-3, 4, (rows, 1))
    grid = on(0.5, zero=z, low=-4, high=3)
    codes = adaround(w, h, grid)
    assert np.array_equal(codes, np.rint(codes))
    assert codes.min() >= -4
    assert codes.max() <= 3
    assert np.all(
        losses(w, codes, h, on(0.5, zero=z))
        <= losses(w, gptq(w, h, on(0.5, zero=z, low=-4, high=3)), h, on(0.5, zero=z))
    )


def test_weights_on_the_grid_stay() -> None:
    _, h, _ = problem(1, 12)
    w = np.random.default_rng(0).integers(LOW, HIGH + 1, (8, 12)) * 0.25
    assert np.array_equal(learn(w, h, on(0.25)), w / 0.25)


def test_groups_are_problems_of_their_own() -> None:
    each = [problem(2, 9, seed=seed) for seed in range(3)]
    w, h, s = (np.stack(arrays) for arrays in zip(*each, strict=True))
    alone = np.stack([adaround(w, h, on(s)) for w, h, s in each])
    assert np.array_equal(adaround(w, h, on(s)), alone)


def test_the_same_codes_twice() -> None:
    w, h, s = problem(32, 24)
    assert adaround(w, h, on(s)).tobytes() == adaround(w, h, on(s)).tobytes()
