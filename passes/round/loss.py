"""What the output of a layer loses when its weights are rounded: ‖(Ŵ - W) X‖² = tr((Ŵ - W) H (Ŵ - W)ᵀ), H = X Xᵀ.

Rows of W are independent of each other, so the best of several roundings may be taken row by row.
"""

from __future__ import annotations

import numpy as np

from .grid import Grid

__all__ = ["best_rows", "losses"]


def losses(W: np.ndarray, Q: np.ndarray, H: np.ndarray, grid: Grid) -> np.ndarray:
    """The loss of each row: diag((Ŵ - W) H (Ŵ - W)ᵀ), shape (..., rows).

    Args:
        W: Weights, shape (..., rows, columns); leading axes are the groups of a convolution.
        Q: Their codes on the grid.
        H: Gram matrix of the inputs, shape (..., columns, columns).
        grid: What Ŵ can be.
    """
    D = grid.real(Q) - W
    lost: np.ndarray = ((D @ H) * D).sum(-1)
    return lost


def best_rows(W: np.ndarray, H: np.ndarray, grid: Grid, first: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Of several roundings the one with the least loss, row by row; the first of equal ones."""
    best, least = first, losses(W, first, H, grid)
    for Q in others:
        lost = losses(W, Q, H, grid)
        best = np.where((lost < least)[..., None], Q, best)
        least = np.minimum(lost, least)
    return best
