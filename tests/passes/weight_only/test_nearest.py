from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import weights

from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.hqq import hqq
from edgec.passes.weight_only.nearest import nearest

METHODS = {"nearest": nearest, "hqq": hqq}


def covering(w: np.ndarray, form: BlockForm) -> np.ndarray:
    """The textbook's rounding of one block: the scale covers the extremes."""
    if form.symmetric:
        half = (1 << form.bits - 1) - 1 or 1
        s = np.abs(w).max() / half
        return np.clip(np.rint(w / s), -half - 1, half) * s
    low, high = min(w.min(), 0), max(w.max(), 0)
    s = (high - low) / form.largest
    z = np.rint(-low / s)
    return (np.clip(np.rint(w / s) + z, 0, form.largest) - z) * s


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "zero points"])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_searched_scales_err_less_than_those_that_cover(bits: int, symmetric: bool) -> None:
    form = BlockForm(bits=bits, size=32, symmetric=symmetric)
    W = weights(16, 100)
    plain = np.concatenate(
        [np.concatenate([covering(row[k : k + 32], form) for k in range(0, 100, 32)])[None] for row in W]
    )
    error = np.square(nearest(W, form).real - W).sum()
    assert error < np.square(plain - W).sum()


def test_two_bits_of_a_normal_distribution_are_nearer_than_any_one_scale_brings_them() -> None:
    W = weights(200, 640, scale=1.0)
    one = min(np.square(np.clip(np.rint(W / s), -2, 1) * s - W).mean() for s in np.linspace(0.5, 1.5, 101))
    error = np.square(nearest(W, BlockForm(bits=2, size=64)).real - W).mean()
    assert 0.75 * one < error < 0.9 * one


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "zero points"])
def test_a_block_of_three_is_as_good_as_a_search_over_everything(symmetric: bool) -> None:
    """Every code triple with its best scale, for 2 bits: the search ends near the least error."""
    form = BlockForm(bits=2, size=3, symmetric=symmetric)
    W = weights(40, 3)
    found = np.square(nearest(W, form).real - W).sum(axis=1)
    least = np.full(40, np.inf)
    for zero in [2] if symmetric else range(4):
        for codes in itertools.product(range(4), repeat=3):
            d = np.array(codes) - zero
            if not d.any():
                continue
            s = W @ d / (d @ d)
            least = np.minimum(least, np.square(s[:, None] * d - W).sum(axis=1))
    assert (found >= least - 1e-6).all()
    assert found.sum() < 1.1 * least.sum()


@given(
    st.sampled_from(["nearest", "hqq"]),
    st.sampled_from([2, 3, 4, 8]),
    st.sampled_from([0, 16, 20, 32]),
    st.booleans(),
    st.integers(1, 70),
    st.floats(-30, 30),
    st.integers(0, 2**32 - 1),
)
def test_codes_stay_in_range_and_scales_are_finite(
    method: str, bits: int, size: int, symmetric: bool, columns: int, exponent: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    W = (rng.standard_t(2, (4, columns)) * 10.0**exponent).astype(np.float32)
    W[0] = 0
    W[1, : columns // 2] = 0
    form = BlockForm(bits=bits, size=size, symmetric=symmetric)
    blocks = METHODS[method](W, form)
    assert blocks.codes.shape == W.shape
    assert blocks.codes.max() <= form.largest
    assert blocks.scale.shape == (4, form.blocks_of(columns))
    assert np.isfinite(blocks.scale).all()
    assert (blocks.scale != 0).all()
    assert (blocks.zero is None) == symmetric
    assert not blocks.real[0].any(), "zeros stay zeros"


@pytest.mark.parametrize("form", [BlockForm(bits=4, size=32), BlockForm(bits=2, size=0, symmetric=False)])
def test_weights_of_columns_count(form: BlockForm) -> None:
    W, h = weights(32, 128), np.where(np.arange(128) % 8 == 0, 100.0, 1.0)
    plain, weighed = nearest(W, form), nearest(W, form, h)
    assert (h * np.square(weighed.real - W)).sum() < (h * np.square(plain.real - W)).sum()


def test_hqq_gives_up_outliers_for_the_many() -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_t(2, (64, 256)).astype(np.float32)
    form = BlockForm(bits=3, size=128)
    ours, near = (np.abs(each.real - W) for each in (hqq(W, form), nearest(W, form)))
    assert (ours**0.7).mean() < (near**0.7).mean()
    assert np.median(ours) < np.median(near)
