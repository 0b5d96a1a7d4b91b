from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from edgec.passes.codebook.levels import FP4, NF4, Levels, nearest_levels


def test_nf4_is_midpoints_of_normal_quantiles() -> None:
    # QLoRA, section 3: 2^(k-1) quantiles of the negative half, 2^(k-1) + 1 of the positive, one of the zeros dropped.
    offset = (1 - 1 / 30 + 1 - 1 / 32) / 2
    positive = norm.ppf(np.linspace(offset, 0.5, 9))[:-1]
    negative = -norm.ppf(np.linspace(offset, 0.5, 8))[:-1]
    expected = np.sort(np.concatenate([negative, [0], positive])) / positive.max()
    np.testing.assert_allclose(NF4.values, expected, atol=2e-7)


def test_fp4_is_on_its_grid() -> None:
    np.testing.assert_array_equal(np.asarray(FP4.values) * FP4.per, FP4.grid)
    assert sorted({abs(step) for step in FP4.grid.tolist()}) == [0, 1, 2, 3, 4, 6, 8, 12]


@settings(deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 70), st.sampled_from([16, 64]), st.sampled_from([NF4, FP4]), st.integers(0, 99)
)
def test_no_level_is_nearer(rows: int, columns: int, size: int, levels: Levels, seed: int) -> None:
    W = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    W[0] = 0
    found = nearest_levels(W, levels, size)
    for k in range(columns):
        block = W[:, k // size * size : k // size * size + size]
        absmax = np.abs(block).max(axis=1)
        np.testing.assert_array_equal(found.absmax[:, k // size], absmax)
        tried = np.abs(absmax[:, None] * np.asarray(levels.values) - W[:, k, None])
        np.testing.assert_allclose(np.abs(found.real[:, k] - W[:, k]), tried.min(axis=1), atol=1e-6)


@pytest.mark.parametrize(("levels", "added"), [(NF4, 0.0062), (FP4, 1e-7)], ids=["nf4", "fp4"])
def test_the_kernels_grid_adds_little(levels: Levels, added: float) -> None:
    W = np.random.default_rng(0).standard_normal((64, 512)).astype(np.float32)
    found = nearest_levels(W, levels, 64)
    own = np.sqrt(np.square(found.real - W).mean())
    moved = np.sqrt(np.square(found.blocks.real - found.real).mean())
    assert moved <= added
    assert 0.08 < own < 0.13
