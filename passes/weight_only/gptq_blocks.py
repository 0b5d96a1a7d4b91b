"""Second-order rounding in blocks: what one column loses to rounding, the columns not yet rounded make up for.

GPTQ, Frantar et al. 2022, arXiv 2210.17323, algorithm 1, without its inverse. Of H = L Lᵀ, factored with the columns in
the reverse of the order they are rounded in, LDLQ (Chee et al. 2023, QuIP, arXiv 2307.13304, equation 2; theorem 6:
they are the same) rounds column k to

    q_k = Q(w_k + Σ (w_j - ŵ_j) L_jk / L_kk),    j over the columns rounded before,

and loses (L_kk (w_k + ... - ŵ_k))² by it. The scale of a block is fitted to its columns as they stand when the first of
them is rounded, all errors made so far taken out of them: W_b + (Σ (w_j - ŵ_j) L_jb) L_bb⁻¹. With `act_order` columns
of large inputs go first and scales are those of the columns as they were ("static groups" of the authors' code): the
order of columns in memory, and so what runs, stays.

Three differences from the authors' code: scales are searched, not those that cover a block; a column whose input was
always 0 is rounded to the nearest (they set its weights to 0); and a weight that is 0 stays 0, what falls on it goes to
the columns behind (SparseGPT, Frantar and Alistarh 2023, arXiv 2301.00774, section 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .blocks import BlockForm, Blocks
from .nearest import fit

__all__ = ["gptq_blocks"]

# Columns between two updates from all that is done, and within it; rows at a time, so that columns stay in a cache.
_LAZY, _FEW, _ROWS = 128, 16, 4096
# What the covering scale of a block is multiplied with: fewer than for rounding to the nearest.
_FACTORS: dict[int, tuple[float, ...]] = {
    2: (1.0, 0.8, 0.62, 0.48),
    3: (1.0, 0.88, 0.76, 0.65),
    4: (1.0, 0.92, 0.84),
    8: (1.0,),
}


def gptq_blocks(
    W: np.ndarray,
    H: np.ndarray,
    form: BlockForm,
    *,
    percdamp: float = 0.01,
    act_order: bool = True,
) -> Blocks:
    """Codes and scales for W that keep W X.

    Args:
        W: (N, K), float.
        H: Gram matrix X Xᵀ of the inputs, (K, K); its magnitude does not matter. It is not changed.
        form: What W is stored in.
        percdamp: Added to the diagonal of H, as a share of its mean; more where H is not positive definite with it.
        act_order: Round the columns with the largest inputs first, under scales of W as it was.

    Returns:
        The blocks; 0 is 0 still. As near to float64 as float32 comes: sums are float32.
    """
    rows, columns = W.shape
    diagonal = np.diagonal(H)
    order = np.argsort(-diagonal, kind="stable") if act_order else np.arange(columns)
    backward = order[::-1]
    factor = _factor(H, backward, percdamp)
    counts = np.empty(columns, np.float32)  # what an error in a column costs when all behind it make up for it
    counts[backward] = np.square(np.diagonal(factor))
    found = Blocks(
        form=form,
        codes=np.empty((rows, columns), np.uint8),
        scale=np.empty((rows, form.blocks_of(columns)), np.float32),
        zero=None if form.symmetric else np.empty((rows, form.blocks_of(columns)), np.uint8),
    )
    for first in range(0, rows, _ROWS):
        few = slice(first, min(first + _ROWS, rows))
        w = np.ascontiguousarray(W[few].T, np.float32)
        grid = _Grid(form, columns, w.shape[1])
        if act_order or not 0 < form.size < columns:
            grid.fit_all(w, counts)
            codes = _round(w[backward], factor, grid, backward)
        else:
            codes = _round(w[::-1].copy(), factor, grid, backward)
        found.codes[few, backward] = codes.T
        found.scale[few] = grid.s.T
        if found.zero is not None:
            found.zero[few] = grid.z.T
    return found


def _factor(H: np.ndarray, backward: np.ndarray, percdamp: float) -> np.ndarray:
    """Lᵀ, float32, contiguous rows, of H damped, in the reverse order of rounding.

    Columns that never saw an input count as the mean one.
    """
    from scipy.linalg import lapack

    diagonal = np.diagonal(H)
    seen = diagonal > 0
    mean = float(diagonal[seen].mean()) if seen.any() else 1.0
    k = np.arange(len(H))
    while True:
        for dtype, potrf in ((np.float32, lapack.spotrf), (np.float64, lapack.dpotrf)):
            A = np.multiply(H[np.ix_(backward, backward)], 1 / mean, dtype=dtype, casting="unsafe")
            A[k, k] = np.where(seen[backward], A[k, k], 1) + percdamp
            L, info = potrf(A.T, lower=1, clean=1, overwrite_a=1)
            if info == 0:
                return np.ascontiguousarray(L.T, np.float32)
        percdamp = max(10 * percdamp, 1e-4)


@dataclass(slots=True)
class _Grid:
    """Scales and zero points of the blocks of a few rows, as they are found: (G, n)."""

    form: BlockForm
    columns: int
    rows: int
    s: np.ndarray
    z: np.ndarray

    def __init__(self, form: BlockForm, columns: int, rows: int) -> None:
        self.form, self.columns, self.rows = form, columns, rows
        self.s = np.empty((form.blocks_of(columns), rows), np.float32)
        self.z = np.empty_like(self.s)

    def fit(self, block: int, w: np.ndarray, h: np.ndarray) -> None:
        """Fit one block: w (size, n) under the weights h (size,) of its columns."""
        self.s[block], self.z[block] = fit(w, self.form, h[:, None], _FACTORS[self.form.bits])

    def fit_all(self, w: np.ndarray, h: np.ndarray) -> None:
        """Fit every block to the columns of W in their own order."""
        size = self.form.size or self.columns
        for block in range(len(self.s)):
            across = slice(block * size, (block + 1) * size)
            self.fit(block, w[across], h[across])


def _round(w: np.ndarray, factor: np.ndarray, grid: _Grid, backward: np.ndarray) -> np.ndarray:
    """Codes of columns, (K, n) uint8, from the last to the first: `w`, `factor` and the codes lie backward."""
    from scipy.linalg import solve_triangular

    columns = len(w)
    size = grid.form.size or columns
    in_order = bool((backward == np.arange(columns)[::-1]).all()) and size < columns
    lazy = size * -(-_LAZY // size) if in_order else _LAZY
    span = size if in_order else lazy
    lost = np.empty_like(w)
    codes = np.empty(w.shape, np.uint8)
    block_of = backward // size
    for top in range(columns, 0, -lazy):
        low = max(0, top - lazy)
        pull = factor[low:top, top:] @ lost[top:]
        for stop in range(top, low, -span):
            start = max(low, stop - span)
            here = pull[start - low : stop - low]
            here += factor[start:stop, stop:top] @ lost[stop:top]
            if in_order:
                diagonal = factor[start:stop, start:stop]
                now = w[start:stop] + solve_triangular(diagonal, here, check_finite=False)
                now *= w[start:stop] != 0
                grid.fit(block_of[start], now, np.square(np.diagonal(diagonal)))
            for end in range(stop, start, -_FEW):
                begin = max(start, end - _FEW)
                few = here[begin - start : end - start]
                few += factor[begin:end, end:stop] @ lost[end:stop]
                _round_few(
                    w[begin:end],
                    few,
                    factor[begin:end, begin:end],
                    grid,
                    block_of[begin:end],
                    lost[begin:end],
                    codes[begin:end],
                )
    return codes


def _round_few(
    w: np.ndarray,
    pull: np.ndarray,
    factor: np.ndarray,
    grid: _Grid,
    block_of: np.ndarray,
    lost: np.ndarray,
    codes: np.ndarray,
) -> None:
    """Round a few columns one by one into `codes`; what each loses goes into `lost`."""
    most = np.float32(grid.form.largest)
    s = z = inverse = np.empty(0, np.float32)
    last = -1
    t = np.empty(w.shape[1], np.float32)
    pruned = not w.all()
    for k in range(len(w) - 1, -1, -1):
        if block_of[k] != last:
            last = block_of[k]
            s, z = grid.s[last], grid.z[last]
            inverse = 1 / s
        np.add(pull[k], factor[k, k + 1 :] @ lost[k + 1 :], out=t)
        t *= 1 / factor[k, k]
        t += w[k]
        if pruned:
            t *= w[k] != 0
        t *= inverse
        t += z
        np.rint(t, out=t)
        np.clip(t, 0, most, out=t)
        codes[k] = t
        t -= z
        t *= s
        np.subtract(w[k], t, out=lost[k])
