"""The best clipping of weights: a pure function on arrays."""

from __future__ import annotations

import numpy as np

from ..round.grid import Grid
from ..round.loss import losses

__all__ = ["FACTORS", "best_factors"]

FACTORS = tuple(1.0 - k / 40 for k in range(25))


def best_factors(W: np.ndarray, H: np.ndarray, scale: np.ndarray, low: int, high: int, *, together: bool) -> np.ndarray:
    """By what to multiply the scale of each row so that what its layer's output loses is least.

    A scale beta s with beta < 1 clips what is above beta max|W| and rounds the rest finer. The loss of a row is
    (w_hat - w) H (w_hat - w)^T with the Gram matrix H of the inputs (`round.loss`); every beta of 1, 0.975 … 0.4 is
    tried, and 1 stays where nothing is better by a hundredth.

    Args:
        W: Weights, shape (groups, rows, columns).
        H: Gram matrix of the inputs, shape (groups, columns, columns).
        scale: Step of each row, shape (groups, rows, 1).
        low: Smallest code.
        high: Largest code; the zero point is 0.
        together: All rows share one scale.

    Returns:
        beta, float64, shape (groups, rows).
    """
    best = np.ones(W.shape[:2])
    least = None
    for beta in FACTORS:
        grid = Grid(scale=scale * beta, low=low, high=high)
        lost = losses(W, grid.nearest(W), H, grid)
        if together:
            lost = np.broadcast_to(lost.sum(), lost.shape)
        if least is None:
            least = 0.99 * lost
            continue
        better = lost < least
        best = np.where(better, beta, best)
        least = np.where(better, lost, least)
    return best
