"""Second-order rounding: what one weight loses to rounding, the weights not yet rounded make up for.

GPTQ, Frantar et al. 2022, arXiv 2210.17323, algorithm 1, in its letters. One column of W after the other is rounded,
and its error, weighted by H⁻¹, is taken out of the columns behind it: a greedy minimum of ‖(Ŵ - W) X‖² on a grid
that is given. Three differences from the authors' code: a column whose input was always 0 is rounded to the nearest
(they set its weights to 0), a row that the greedy way leaves worse than the nearest is rounded to the nearest, and a
weight that is 0 stays 0: what falls on it goes to the columns behind (SparseGPT, arXiv 2301.00774, section 3.4).
"""

from __future__ import annotations

import numpy as np

from .grid import Grid
from .loss import best_rows

__all__ = ["gptq", "inverse_factor"]


def gptq(
    W: np.ndarray,
    H: np.ndarray,
    grid: Grid,
    *,
    percdamp: float = 0.01,
    blocksize: int = 128,
    actorder: bool = True,
) -> np.ndarray:
    """Integers for W that keep W X.

    Args:
        W: Weights, shape (..., rows, columns); leading axes are the groups of a convolution.
        H: Gram matrix X Xᵀ of the inputs, shape (..., columns, columns); its magnitude does not matter.
        grid: What they are rounded to.
        percdamp: Added to the diagonal of H, as a share of its mean.
        blocksize: Columns between two updates of all that is behind them; for speed, the result is the same.
        actorder: Round the columns with the largest diagonal first (`--act-order` of the authors' code).

    Returns:
        Codes as float64, shape of W. No row loses more under H than with the nearest; 0 is 0 still.
    """
    W = np.asarray(W, np.float64)
    order = _order(H, actorder)
    back = np.argsort(order, axis=-1)
    ordered = np.take_along_axis(np.take_along_axis(H, order[..., :, None], -2), order[..., None, :], -1)
    U = inverse_factor(ordered, percdamp)
    across = np.broadcast_to(order[..., None, :], W.shape)
    rest, s, z = (np.take_along_axis(each, across, -1) for each in (W, *grid.per_weight(W)))
    Q = np.empty_like(W)
    pruned = rest == 0
    columns = W.shape[-1]
    for start in range(0, columns, blocksize):
        end = min(start + blocksize, columns)
        E = np.empty((*W.shape[:-1], end - start))
        for j in range(start, end):
            codes = np.clip(np.rint(rest[..., j] / s[..., j]) + z[..., j], grid.low, grid.high)
            Q[..., j] = np.where(pruned[..., j], z[..., j], codes)
            lost = (rest[..., j] - (Q[..., j] - z[..., j]) * s[..., j]) / U[..., j, j, None]
            rest[..., j:end] -= lost[..., None] * U[..., None, j, j:end]
            E[..., j - start] = lost
        rest[..., end:] -= E @ U[..., start:end, end:]
    Q = np.take_along_axis(Q, np.broadcast_to(back[..., None, :], W.shape), -1)
    return best_rows(W, H, grid, grid.nearest(W), Q)


def _order(H: np.ndarray, actorder: bool) -> np.ndarray:
    """The order in which columns are rounded, shape (..., columns)."""
    diagonal = np.diagonal(H, axis1=-2, axis2=-1)
    if actorder:
        return np.argsort(-diagonal, axis=-1, kind="stable")
    return np.broadcast_to(np.arange(H.shape[-1]), diagonal.shape)


def inverse_factor(H: np.ndarray, percdamp: float) -> np.ndarray:
    """U, upper triangular, with H⁻¹ = Uᵀ U, of H damped; columns that never saw an input count as the mean one."""
    H = np.array(H, np.float64)
    k = np.arange(H.shape[-1])
    diagonal = H[..., k, k]
    dead = diagonal <= 0.0
    mean = diagonal.sum(-1, keepdims=True) / np.maximum(1, (~dead).sum(-1, keepdims=True))
    mean = np.where(mean > 0.0, mean, 1.0)
    H[..., k, k] = np.where(dead, mean, diagonal) + percdamp * mean
    return np.swapaxes(np.linalg.cholesky(np.linalg.inv(H)), -1, -2)
