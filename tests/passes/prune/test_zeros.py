"""Weights that are 0 are 0 still, whatever chooses their codes."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.passes.codebook.levels import FP4, NF4, nearest_levels
from edgec.passes.round.adaround import adaround, learn
from edgec.passes.round.gptq import gptq
from edgec.passes.round.grid import Grid
from edgec.passes.round.loss import losses
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.methods import METHODS, blocks_by


def sparse(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A 2:4 weight and the Gram matrix of inputs that have much to do with each other."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((rows, columns)).astype(np.float32)
    fours = W.reshape(rows, -1, 4)
    np.put_along_axis(fours, np.abs(fours).argsort(-1)[..., :2], 0, -1)
    X = rng.standard_normal((columns, 3 * columns)).cumsum(axis=0) + 0.3
    return W, X @ X.T


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("method", METHODS)
def test_blocks_keep_them(method: str, bits: int, symmetric: bool) -> None:
    W, H = sparse(12, 96)
    made = blocks_by(method, W, H[None], BlockForm(bits=bits, size=32, symmetric=symmetric))
    assert (W == 0).sum() == W.size // 2
    assert not made.real[W == 0].any()


@pytest.mark.parametrize("levels", [NF4, FP4])
def test_levels_keep_them(levels: object) -> None:
    W, _ = sparse(12, 96)
    made = nearest_levels(W, levels, 32)  # type: ignore[arg-type]
    assert not made.real[W == 0].any()
    assert not made.blocks.real[W == 0].any()


@pytest.mark.parametrize("method", [gptq, adaround, learn])
def test_grids_keep_them(method) -> None:
    W, H = sparse(12, 64)
    grid = Grid(scale=np.abs(W).max(axis=1, keepdims=True) / 7, low=-8, high=7)
    codes = method(W, H, grid)
    assert not codes[W == 0].any()
    if method is not learn:
        assert losses(W, codes, H, grid).sum() < 0.9 * losses(W, grid.nearest(W), H, grid).sum()


def test_grids_with_zero_points_keep_them() -> None:
    W, H = sparse(8, 32)
    grid = Grid(scale=0.4, zero=3.0, low=0, high=15)
    assert (gptq(W, H, grid)[W == 0] == 3.0).all()


def test_a_kept_zero_hands_on_what_falls_on_it() -> None:
    """Three columns, the middle one pruned, hand-computed: its share of the first one's error goes to the third."""
    W = np.array([[0.4, 0.0, 1.0]])
    H = np.array([[1.0, 0.9, 0.8], [0.9, 1.0, 0.9], [0.8, 0.9, 1.0]])
    codes = gptq(W, H, Grid(scale=1.0, low=-8, high=7), percdamp=0.0, actorder=False)
    # The error .4 of column 0 asks for .4 * H[2, 0] = .32 at column 2, where column 1 cannot take any: 1.32 -> 1.
    assert codes.tolist() == [[0.0, 0.0, 1.0]]
    steep = gptq(np.array([[0.4, 0.0, 1.2]]), H, Grid(scale=1.0, low=-8, high=7), percdamp=0.0, actorder=False)
    assert steep.tolist() == [[0.0, 0.0, 2.0]]
