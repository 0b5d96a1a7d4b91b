"""AWQ: channels that large activations meet are scaled up before they are rounded, so that rounding costs them less.

J. Lin et al., "AWQ: Activation-aware Weight Quantization" (2023, arXiv 2306.00978), in its letters:

    L(s) = || Q(W diag(s)) diag(s)^-1 X - W X ||,   s = x^a,   x_j = mean |X_j|,   a = argmin L(x^a)        (eq. 4, 5)

over 20 values of a in [0, 1), s divided by sqrt(max s min s). X comes in as its Gram matrix H = X Xᵀ, for
L² = tr(D H Dᵀ), D = Q(W diag(s)) diag(s)^-1 - W: no token is kept, and all are counted. H is taken as
L Lᵀ + diag(r), a Cholesky factor of few columns, those of the largest pivots first, and the diagonal of what it leaves:
what rounding does to two weights is hardly related, so that diagonal is most of what is left. 20 products with H itself
would take three times as long at 4096 x 4096. Q is whatever rounds the weights in the end: s for ranges that cover
their block is not the best for ranges that are searched.

What the search is spared, rows of W, columns of H's factor, a Q too slow to be asked twenty times, `share_kept` asks
once, of the s that was found and of s = 1: what is scaled loses less than what is not, on the samples it was found by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = [
    "ALPHAS",
    "Energy",
    "Reader",
    "Rounded",
    "energy_of",
    "lost_energy",
    "scales_of",
    "search_scales",
    "share_kept",
]

ALPHAS = tuple(k / 20 for k in range(20))

# Columns of the factor of H: as many as AWQ's authors take tokens.
_RANK = 512
# Rows of a weight that are rounded at once.
_AT_ONCE = 8192
# The smallest mean magnitude as a share of the largest: `awq/quantize/auto_scale.py` clamps s at that.
_FLOOR = 1e-4

# Q: W diag(s) (N, K) and s of its columns (K,), float32 -> what is computed with in its place.
Rounded: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Energy:
    """H = X Xᵀ as factor factorᵀ + diag(rest); float32, shapes (K, r) and (K,)."""

    factor: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reader:
    """One layer that reads X.

    Attributes:
        W: Its weight, or some rows of it: float32, (N, K).
        columns: Index of the channel of X that each column meets, (K,).
        energy: Of the rows of X it reads.
        rounded: Q; None leaves the weight as it is.
    """

    W: np.ndarray
    columns: np.ndarray
    energy: Energy
    rounded: Rounded | None


def energy_of(H: np.ndarray, rank: int = _RANK) -> Energy:
    """The factor of a Gram matrix: Cholesky with the largest pivot next, stopped after `rank` columns.

    Args:
        H: Symmetric, positive semidefinite, (K, K).
        rank: Most columns of the factor; with K of them nothing is left.
    """
    rest = np.array(np.diagonal(H), np.float64)
    rows = np.zeros((min(rank, rest.size), rest.size))
    none = np.finfo(np.float32).eps * max(float(rest.max(initial=0.0)), 0.0)
    count = 0
    for count in range(1, len(rows) + 1):
        pivot = int(np.argmax(rest))
        if rest[pivot] <= none:
            count -= 1
            break
        done = rows[: count - 1]
        rows[count - 1] = (H[pivot] - done[:, pivot] @ done) / np.sqrt(rest[pivot])
        rest = np.maximum(rest - np.square(rows[count - 1]), 0.0)
        rest[pivot] = 0.0
    return Energy(factor=rows[:count].T.astype(np.float32), rest=rest.astype(np.float32))


def lost_energy(D: np.ndarray, energy: Energy) -> float:
    """|| D X ||² = tr(D H Dᵀ) of an error D (N, K) of weights."""
    through = D @ energy.factor
    return float(np.vdot(through, through)) + float(np.square(D).sum(axis=0, dtype=np.float64) @ energy.rest)


def scales_of(x: np.ndarray, alpha: float) -> np.ndarray:
    """Factors x^a / sqrt(max x^a min x^a); float64, shape of x. Means below 1e-4 of the largest count as that."""
    if not x.any():
        return np.ones(x.shape)
    s = np.maximum(x / x.max(), _FLOOR) ** alpha
    scaled: np.ndarray = s / np.sqrt(s.max() * s.min())
    return scaled


def search_scales(readers: Sequence[Reader], x: np.ndarray) -> tuple[np.ndarray, float]:
    """The s of the least loss, summed up over all layers that read X.

    Args:
        readers: The layers.
        x: Mean magnitude of every channel of X, float64, (channels,).

    Returns:
        s, float64, (channels,), and its loss as a share of that of s = 1.
    """
    losses = [sum(_lost(each, scales_of(x, alpha)) for each in readers) for alpha in ALPHAS]
    best = int(np.argmin(losses))
    return scales_of(x, ALPHAS[best]), losses[best] / losses[0] if losses[0] > 0.0 else 1.0


def share_kept(layers: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, Rounded]], s: np.ndarray) -> float:
    """The loss of s as a share of that of s = 1, with every row and all of H.

    Args:
        layers: Of each that reads X and is rounded: W (N, K), the index of the channel of X that each column meets
            (K,), H (K, K), and Q.
        s: Factors by channel, float64.
    """
    unit = max((float(np.abs(H).max(initial=0.0)) for _, _, H, _ in layers), default=0.0)
    if not unit > 0.0:
        return 1.0
    lost = np.zeros(2)
    for W, columns, gram, rounded in layers:
        H = np.asarray(gram / unit, np.float32)
        for start in range(0, len(W), _AT_ONCE):
            few = W[start : start + _AT_ONCE]
            for k, factors in enumerate((np.ones(s.shape), s)):
                across = factors[columns].astype(np.float32)
                D = rounded(few * across, across) / across
                D -= few
                lost[k] += float(np.einsum("nk,nk->", D @ H, D, dtype=np.float64))
    return float(lost[1] / lost[0]) if lost[0] > 0.0 else 1.0


def _lost(reader: Reader, s: np.ndarray) -> float:
    if reader.rounded is None:
        return 0.0
    across = s[reader.columns].astype(np.float32)
    D = reader.rounded(reader.W * across, across) / across
    D -= reader.W
    return lost_energy(D, reader.energy)
