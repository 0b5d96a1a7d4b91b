"""Weights that lie on a grid keep it, bit for bit; others are no grid's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.nearest import nearest
from edgec.passes.weight_only.on_grid import on_grid


def _drawn(form: BlockForm, rows: int, columns: int, seed: int) -> Blocks:
    """Any codes, any scales of either sign, any zero points: a few blocks with one code alone, or none but the zero."""
    rng = np.random.default_rng(seed)
    groups = form.blocks_of(columns)
    codes = rng.integers(0, form.largest + 1, (rows, columns)).astype(np.uint8)
    zero = rng.integers(0, form.largest + 1, (rows, groups)).astype(np.uint8)
    scale = (rng.choice([-1, 1], zero.shape) * 10.0 ** rng.uniform(-4, 2, zero.shape)).astype(np.float32)
    middle = np.uint8(1 << form.bits - 1)
    codes[0] = middle if form.symmetric else np.repeat(zero, form.size or columns, 1)[0, :columns]
    codes[-1] = codes[-1, 0]
    return Blocks(form=form, codes=codes, scale=scale, zero=None if form.symmetric else zero)


@settings(deadline=None)
@given(
    bits=st.sampled_from([2, 3, 4, 8]),
    size=st.sampled_from([0, 16, 32]),
    symmetric=st.booleans(),
    columns=st.sampled_from([16, 40, 64]),
    seed=st.integers(0, 2**16),
)
def test_what_blocks_stand_for_is_found_again(bits: int, size: int, symmetric: bool, columns: int, seed: int) -> None:
    form = BlockForm(bits=bits, size=size, symmetric=symmetric)
    W = _drawn(form, 5, columns, seed).real
    found = on_grid(W, form)
    assert found is not None
    assert found.form == form
    assert found.codes.shape == W.shape
    assert found.codes.max() <= form.largest
    np.testing.assert_array_equal(found.real, W)


@settings(deadline=None)
@given(seed=st.integers(0, 2**16), symmetric=st.booleans())
def test_other_weights_are_on_no_grid(seed: int, symmetric: bool) -> None:
    W = np.random.default_rng(seed).standard_normal((6, 64)).astype(np.float32)
    assert on_grid(W, BlockForm(bits=4, size=32, symmetric=symmetric)) is None


def test_one_element_off_the_grid_is_enough() -> None:
    form = BlockForm(bits=4, size=32)
    W = nearest(np.random.default_rng(0).standard_normal((6, 64)).astype(np.float32), form).real
    assert on_grid(W, form) is not None
    W[4, 40] = np.nextafter(W[4, 40], np.float32(9))
    assert on_grid(W, form) is None


def test_a_pruned_weight_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one number lie on every grid: the first of them says nothing of the others."""
    W = np.random.default_rng(0).standard_normal((6, 64)).astype(np.float32)
    W[0] = 0
    W[0, 3] = 1.5
    monkeypatch.setattr("edgec.passes.weight_only.on_grid._scales", None)
    assert on_grid(W, BlockForm(bits=4, size=32)) is None


def test_a_long_row_is_read_to_its_end() -> None:
    form = BlockForm(bits=4, size=0)
    W = nearest(np.random.default_rng(0).standard_normal((2, 3000)).astype(np.float32), form).real
    found = on_grid(W, form)
    assert found is not None
    np.testing.assert_array_equal(found.real, W)
    W[:, -1] *= np.float32(1.5)
    W[:, -1] += np.float32(1e-3)
    assert on_grid(W, form) is None


def test_a_grid_of_more_codes_is_not_one_of_fewer() -> None:
    W = (np.arange(-8, 8, dtype=np.float32) * np.float32(0.3)).reshape(1, 16)
    assert on_grid(W, BlockForm(bits=4, size=16)) is not None
    assert on_grid(W, BlockForm(bits=3, size=16)) is None


@pytest.mark.parametrize("W", [np.zeros((0, 4), np.float32), np.ones((2, 16), np.float64)], ids=["empty", "double"])
def test_what_has_no_grid(W: np.ndarray) -> None:
    assert on_grid(W, BlockForm(bits=4, size=16)) is None
