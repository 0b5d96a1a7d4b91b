"""Rounding to a codebook of vectors, second order: what one block of columns loses, the columns behind make up for.

Block-LDLQ, Tseng et al. 2024 (QuIP#), arXiv 2402.04396, section 4.1, equation (1), here in GPTQ's letters, to which it
is equal: H⁻¹ = Uᵀ U, blocks of `width` columns, each rounded whole; e = (W_b - Ŵ_b) U_bb⁻¹ goes into the columns behind
as e U_b,later. Then, block after block, each is rounded anew to what the others leave to it, where that loses less
(coordinate descent, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

__all__ = ["Nearest", "best_scale", "ldlq", "settle"]

# What each vector (N, width) is rounded to: its code (N,), and the point (N, width).
Nearest: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
# Columns between two updates of all that is behind them; for speed.
_LAZY = 128


def ldlq(
    W: np.ndarray, H: np.ndarray, nearest: Nearest, width: int, *, damp: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Codes for W that keep W X, block after block.

    Args:
        W: float, (N, K), in the codebook's units; `width` divides K.
        H: Gram matrix X Xᵀ of the inputs, (K, K); its magnitude does not matter.
        nearest: Rounds vectors.
        width: Columns of a vector.
        damp: Added to the diagonal of H, as a share of its mean.

    Returns:
        The codes, (N, K / width), and Ŵ, float32, (N, K).
    """
    from scipy.linalg import solve_triangular

    U = inverse_factor(H, damp)
    rest = np.asarray(W, np.float32).copy()
    rounded = np.empty_like(rest)
    codes = []
    for start in range(0, W.shape[1], _LAZY):
        end = min(start + _LAZY, W.shape[1])
        E = np.empty((len(W), end - start), np.float32)
        for a in range(start, end, width):
            b = a + width
            code, rounded[:, a:b] = nearest(rest[:, a:b])
            codes.append(code)
            lost = rest[:, a:b] - rounded[:, a:b]
            e = solve_triangular(U[a:b, a:b], lost.T, trans="T", check_finite=False).T
            rest[:, b:end] -= e @ U[a:b, b:end]
            E[:, a - start : b - start] = e
        rest[:, end:] -= E @ U[start:end, end:]
    return np.stack(codes, axis=1), rounded


def settle(
    W: np.ndarray, H: np.ndarray, nearest: Nearest, codes: np.ndarray, rounded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One pass of coordinate descent on tr((Ŵ - W) H (Ŵ - W)ᵀ): no row loses more than before.

    Args:
        W: float, (N, K), in the codebook's units.
        H: The Gram matrix.
        nearest: Rounds vectors.
        codes: (N, K / width).
        rounded: What they stand for, (N, K).

    Returns:
        Codes and Ŵ, new arrays.
    """
    from scipy.linalg import solve

    H = np.asarray(H, np.float32)
    codes, rounded = codes.copy(), rounded.copy()
    width = W.shape[1] // codes.shape[1]
    for k in range(codes.shape[1]):
        part = slice(k * width, (k + 1) * width)
        pull = (W - rounded) @ H[:, part]
        own = H[part, part] + np.eye(width, dtype=np.float32) * np.float32(1e-6 * np.trace(H) / len(H))
        code, point = nearest(rounded[:, part] + solve(own, pull.T, assume_a="pos").T)
        move = point - rounded[:, part]
        better = ((move @ H[part, part]) * move).sum(axis=1) < 2 * (move * pull).sum(axis=1)
        codes[better, k] = code[better]
        rounded[better, part] = point[better]
    return codes, rounded


def best_scale(W: np.ndarray, H: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """The factor s of each row that minimises the loss of s Ŵ: (Ŵ H wᵀ) / (Ŵ H Ŵᵀ).

    Args:
        W: float, (N, K).
        H: The Gram matrix.
        rounded: Ŵ, of any magnitude, (N, K).

    Returns:
        float64, (N,); 1 where Ŵ makes nothing of any input.
    """
    seen = rounded.astype(np.float64) @ H
    own = (seen * rounded).sum(axis=1)
    return np.asarray(np.divide((seen * W).sum(axis=1), own, out=np.ones(len(W)), where=own > 0))


def inverse_factor(H: np.ndarray, damp: float) -> np.ndarray:
    """U, upper triangular, float32, with H⁻¹ = Uᵀ U of H damped, by the Cholesky factor of H read backwards.

    H = R Rᵀ with R upper, U = R⁻¹. Columns that never saw an input count as the mean one.
    """
    from scipy.linalg import cholesky, solve_triangular

    H = np.array(H, np.float64)
    diagonal = H.diagonal().copy()
    dead = diagonal <= 0
    mean = float(diagonal[~dead].mean()) if not dead.all() else 1.0
    np.fill_diagonal(H, np.where(dead, mean, diagonal) + damp * mean)
    R = cholesky(H[::-1, ::-1], lower=True, check_finite=False)[::-1, ::-1]
    return np.asarray(solve_triangular(R, np.eye(len(H)), check_finite=False), np.float32)
