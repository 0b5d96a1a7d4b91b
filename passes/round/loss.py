"""What the output of a layer loses when its weights are rounded: ‖(Ŵ - W) X‖² = tr((Ŵ - W) H (Ŵ - W)ᵀ), H = X Xᵀ.

Rows of W are independent of each other, so the best of several roundings may be taken row by row.
"""

from __future__ import annotations

import numpy as np

__all__ = ["best_rows", "losses", "nearest"]


def losses(
    W: np.ndarray, Q: np.ndarray, H: np.ndarray, scale: np.ndarray | float, zero: np.ndarray | float
) -> np.ndarray:
    """The loss of each row: diag((Ŵ - W) H (Ŵ - W)ᵀ), shape (..., rows).

    Args:
        W: Weights, shape (..., rows, columns); leading axes are the groups of a convolution.
        Q: Their codes: Ŵ = (Q - zero) * scale.
        H: Gram matrix of the inputs, shape (..., columns, columns).
        scale: Step of each weight, shape of W or broadcast to it.
        zero: Zero point of each weight, the same.
    """
    D = (Q - zero) * scale - W
    lost: np.ndarray = ((D @ H) * D).sum(-1)
    return lost


def nearest(W: np.ndarray, scale: np.ndarray | float, zero: np.ndarray | float, low: int, high: int) -> np.ndarray:
    """Codes by rounding each weight to the nearest, half to even, float64."""
    codes: np.ndarray = np.clip(np.rint(np.asarray(W, np.float64) / scale) + zero, low, high)
    return codes


def best_rows(
    W: np.ndarray,
    H: np.ndarray,
    scale: np.ndarray | float,
    zero: np.ndarray | float,
    first: np.ndarray,
    *others: np.ndarray,
) -> np.ndarray:
    """Of several roundings the one with the least loss, row by row; the first of equal ones."""
    best, least = first, losses(W, first, H, scale, zero)
    for Q in others:
        lost = losses(W, Q, H, scale, zero)
        best = np.where((lost < least)[..., None], Q, best)
        least = np.minimum(lost, least)
    return best
