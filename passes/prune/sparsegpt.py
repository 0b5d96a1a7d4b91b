"""Masks that keep W X, and weights that make up for what is masked.

SparseGPT, Frantar and Alistarh 2023, arXiv 2301.00774, algorithm 1, in its letters; of H⁻¹ = Uᵀ U. Columns are visited
in their order; of each block of B_s the weights with the smallest w² / U_jj² are masked (equation 3), where earlier
columns have been made up for already. A pattern of N of M takes B_s = M. What a masked weight was worth goes to the
columns behind it, as GPTQ hands on what rounding loses. One difference from the authors' code, which masks the same
share of every block: each loses as many as have a small w² / [H⁻¹]_jj in the whole matrix, before anything is moved
(optimal brain surgeon), so that blocks of small inputs lose more.

Two others go by weights alone, or by them and the size of their inputs: magnitude, |w|, and Wanda (Sun et al. 2023,
arXiv 2306.11695, equation 1), |w| ‖x‖, compared row by row.
"""

from __future__ import annotations

import numpy as np

from ..round.gptq import inverse_factor
from .pattern import Pattern, keep_largest

__all__ = ["METHODS", "NEEDS_GRAM", "prune_matrix", "sparsegpt"]

METHODS = ("magnitude", "wanda", "sparsegpt")
NEEDS_GRAM = ("wanda", "sparsegpt")
# B and B_s of the paper's section 3.4: columns whose masks are chosen together, and between two lazy updates.
_BLOCK = 128


def sparsegpt(W: np.ndarray, H: np.ndarray, pattern: Pattern, *, percdamp: float = 0.01) -> np.ndarray:
    """W with zeros in a pattern, other weights moved so that W X stays near.

    Args:
        W: Weights, shape (..., rows, columns); leading axes are the groups of a convolution.
        H: Gram matrix X Xᵀ of the inputs, shape (..., columns, columns); its magnitude does not matter.
        pattern: What becomes 0.
        percdamp: Added to the diagonal of H, as a share of its mean.

    Returns:
        float64, shape of W. Weights of columns whose input was always 0 go first.
    """
    W = np.array(W, np.float64)
    U = inverse_factor(H, percdamp)
    columns = W.shape[-1]
    k = np.arange(columns)
    d = np.where(H[..., k, k] > 0, U[..., k, k], np.inf)[..., None, :]
    kept = np.ones(W.shape, bool)
    first = np.ones(W.shape, bool) if pattern.of else _at_first(W, np.where(np.isinf(d), d, _spread(U)), pattern)
    block = _BLOCK if not pattern.of else pattern.of * max(1, _BLOCK // pattern.of)
    for start in range(0, columns, block):
        end = min(start + block, columns)
        if not pattern.of:
            here = slice(start, end)
            scores = np.square(W[..., here] / d[..., here])
            for group in np.ndindex(W.shape[:-2]):
                share = Pattern(share=float((~first[(*group, slice(None), here)]).mean()))
                kept[(*group, slice(None), here)] = keep_largest(scores[group], share)
        E = np.empty((*W.shape[:-1], end - start))
        for j in range(start, end):
            if pattern.of and (j - start) % pattern.of == 0:
                few = slice(j, j + pattern.of)
                kept[..., few] = keep_largest(np.square(W[..., few] / d[..., few]), pattern)
            lost = np.where(kept[..., j], 0, W[..., j]) / U[..., j, j, None]
            W[..., j:end] -= lost[..., None] * U[..., None, j, j:end]
            E[..., j - start] = lost
        W[..., end:] -= E @ U[..., start:end, end:]
    W[~kept] = 0
    return W


def _spread(U: np.ndarray) -> np.ndarray:
    """The square roots of the diagonal of H⁻¹ = Uᵀ U, shape (..., 1, columns)."""
    spread: np.ndarray = np.sqrt(np.square(U).sum(-2))[..., None, :]
    return spread


def _at_first(W: np.ndarray, d: np.ndarray, pattern: Pattern) -> np.ndarray:
    """The mask before anything is moved, group by group: how many of each block go."""
    scores = np.square(W / d)
    groups = [keep_largest(scores[group], pattern) for group in np.ndindex(W.shape[:-2])]
    return np.stack(groups).reshape(W.shape)


def prune_matrix(method: str, W: np.ndarray, H: np.ndarray | None, pattern: Pattern) -> np.ndarray:
    """A matrix with zeros in a pattern, by a method; by magnitude where there is no Gram matrix.

    Args:
        method: One of `METHODS`.
        W: Weights, shape (groups, rows, columns).
        H: Gram matrix of the inputs, shape (groups, columns, columns); or None.
        pattern: What becomes 0.
    """
    if H is None or method == "magnitude":
        return np.where(keep_largest(np.abs(W), pattern), W, 0)
    if method == "wanda":
        norms = np.sqrt(np.maximum(np.diagonal(H, axis1=-2, axis2=-1), 0))[..., None, :]
        return np.where(keep_largest(np.abs(W) * norms, pattern, by_row=True), W, 0)
    return sparsegpt(W, H, pattern)
