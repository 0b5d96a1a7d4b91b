"""Learned rounding: down or up for each weight, by gradient descent on the quadratic loss of the layer.

AdaRound, Nagel et al. 2020, arXiv 2004.10568, in its letters:

    min over V:  ‖(W̃ - W) X‖² + λ Σ (1 - |2 h(V) - 1|^β),    W̃ = s clip(⌊W / s⌋ + z + h(V))    (eq. 21, 22)
    h(V) = clip(σ(V) (ζ - γ) + γ, 0, 1),    β annealed from 20 to 2                             (eq. 23, 24)

‖(W̃ - W) X‖² = tr((W̃ - W) H (W̃ - W)ᵀ), so the Gram matrix H = X Xᵀ is all that is kept of the samples, and the
gradient 2 (W̃ - W) H needs no framework. The paper takes random batches of X; this is the loss over all of it.

AdaRound chooses between two codes for each weight; GPTQ may go further away, and is far better where H is badly
conditioned (projections to few channels). So each row takes the better of the two.
"""

from __future__ import annotations

import numpy as np

from .gptq import gptq
from .grid import Grid
from .loss import best_rows

__all__ = ["adaround", "learn"]

_ZETA, _GAMMA = 1.1, -0.1
_BETA_FIRST, _BETA_LAST = 20.0, 2.0


def adaround(W: np.ndarray, H: np.ndarray, grid: Grid) -> np.ndarray:
    """Integers for W that keep W X: learned, or those of GPTQ where a row loses less with them.

    Args and returns as `gptq`.
    """
    return best_rows(W, H, grid, gptq(W, H, grid), learn(W, H, grid))


def learn(
    W: np.ndarray,
    H: np.ndarray,
    grid: Grid,
    *,
    iterations: int = 500,
    rate: float = 0.03,
    weight: float = 1.0,
    warm_start: float = 0.2,
    percdamp: float = 0.01,
) -> np.ndarray:
    """The roundings down and up that AdaRound learns.

    Args:
        W: Weights, shape (..., rows, columns).
        H: Gram matrix of the inputs, shape (..., columns, columns).
        grid: What they are rounded to.
        iterations: Steps of Adam.
        rate: Their size.
        weight: λ, with H and the steps scaled to a mean of 1.
        warm_start: Share of the iterations without the regularizer.
        percdamp: Added to the diagonal of H, as a share of its mean: few samples are not to be fitted too closely.

    Returns:
        Codes as float64, shape of W.
    """
    W = np.asarray(W, np.float64)
    scale, zero = grid.per_weight(W)
    floor = np.floor(W / scale)
    rest = (W / scale - floor).astype(np.float32)
    least, most = ((bound - zero - floor).astype(np.float32) for bound in (grid.low, grid.high))
    s = (scale / scale.mean(axis=-1, keepdims=True)).astype(np.float32)
    mean = np.diagonal(H, axis1=-2, axis2=-1).mean(axis=-1)[..., None, None]
    H = (H / np.where(mean > 0.0, mean, 1.0) + percdamp * np.eye(H.shape[-1])).astype(np.float32)
    V = -np.log((_ZETA - _GAMMA) / (rest - _GAMMA) - 1.0)  # h(V) = rest
    moves = W != 0  # what was pruned stays so
    first, second = np.zeros_like(V), np.zeros_like(V)
    for t in range(iterations):
        sigma = 1.0 / (1.0 + np.exp(-V))
        stretched = sigma * (_ZETA - _GAMMA) + _GAMMA
        h = np.clip(stretched, 0.0, 1.0)
        g = 2.0 * (((np.clip(h, least, most) - rest) * s) @ H) * s
        done = (t / iterations - warm_start) / (1.0 - warm_start)
        if done >= 0.0:
            beta = _BETA_LAST + (_BETA_FIRST - _BETA_LAST) * (1.0 - done)
            g -= 2.0 * weight * beta * np.sign(h - 0.5) * np.abs(2.0 * h - 1.0) ** (beta - 1.0)
        free = moves & (stretched > 0.0) & (stretched < 1.0) & (h > least) & (h < most)
        g *= free * sigma * (1.0 - sigma) * (_ZETA - _GAMMA)
        # Adam, Kingma and Ba 2015, arXiv 1412.6980, with its defaults.
        first += 0.1 * (g - first)
        second += 0.001 * (g * g - second)
        V -= rate * (first / (1.0 - 0.9 ** (t + 1))) / (np.sqrt(second / (1.0 - 0.999 ** (t + 1))) + 1e-8)
    codes: np.ndarray = np.clip(floor + zero + (moves & (V >= 0.0)), grid.low, grid.high)
    return codes
