"""Rounding to the nearest code, with a searched scale for each block: W (N, K) -> blocks.

    min over s, z:  Σ h (w - (q - z) s)²,    q = clip(round(w / s) + z, 0, 2^b - 1)

h weighs the columns: the diagonal of the Gram matrix of the inputs, where there is one (what llama.cpp calls an
importance matrix), else 1. With all of the Gram matrix H given, the error e of a block is eᵀ H_gg e, H_gg its square on
the diagonal: what the block alone adds to the output, the objective of AWQ's clipping (Lin et al. 2023, arXiv
2306.00978), for which the authors' `auto_clip.py` keeps 512 tokens. Scales are tried around the one that covers the
block, then fitted by least squares to the codes they gave. Where zero points are the middle, the element of largest
magnitude goes to either end: the lower one has one code more (llama.cpp, ggml-quants.c, quantize_row_q4_0_ref).
"""

from __future__ import annotations

import numpy as np

from .blocks import BlockForm, Blocks

__all__ = ["codes_of", "fit", "nearest"]

# By bits: what the scale that covers a block is multiplied with. Fewer codes are worth more clipping: four serve a
# normal distribution best when they cover half of its extremes.
_FACTORS: dict[int, tuple[float, ...]] = {
    2: (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35),
    3: (1.12, 1.0, 0.92, 0.85, 0.78, 0.7, 0.62, 0.55),
    4: (1.12, 1.06, 1.0, 0.94, 0.88, 0.82, 0.76),
    8: (1.004, 1.0),
}
# Elements worked on at a time: they and what is made of them stay in a core's cache.
_AT_ONCE = 1 << 16
# Magnitudes whose squares stay within float32; the smallest scale.
_LEAST, _TINY = 1e-12, np.finfo(np.float32).tiny


def nearest(W: np.ndarray, form: BlockForm, h: np.ndarray | None = None) -> Blocks:
    """The nearest codes under searched scales.

    Args:
        W: (N, K), float.
        form: What it is stored in.
        h: (K,), the weight of each column's error, not below 0; or (K, K), the Gram matrix of the inputs, of which
            the squares of blocks on the diagonal are read; None weighs all alike.
    """
    rows, columns = W.shape
    size = form.size or columns
    codes = np.empty((rows, columns), np.uint8)
    scale = np.empty((rows, form.blocks_of(columns)), np.float32)
    zero = None if form.symmetric else np.empty(scale.shape, np.uint8)
    step = max(1, _AT_ONCE // size)
    for k, start in enumerate(range(0, columns, size)):
        across = slice(start, min(start + size, columns))
        weight = None if h is None else _weights(h[across] if h.ndim == 1 else h[across, across])
        for first in range(0, rows, step):
            few = slice(first, min(first + step, rows))
            w = np.ascontiguousarray(W[few, across].T, np.float32)
            s, z = fit(w, form, weight)
            codes[few, across] = codes_of(w, s, z, form).T
            scale[few, k] = s
            if zero is not None:
                zero[few, k] = z
    return Blocks(form=form, codes=codes, scale=scale, zero=zero)


def fit(
    w: np.ndarray, form: BlockForm, h: np.ndarray | None = None, factors: tuple[float, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The scale and the zero point of each of M blocks.

    Args:
        w: (size, M), float32, one block a column.
        form: Bits, and whether zero points are the middle.
        h: (size, 1), the weights of the errors; (size, size), positive semidefinite, for the error eᵀ h e; or None.
        factors: What the scale that covers a block is multiplied with; None is what suits the bits.

    Returns:
        s and z, float32, (M,); z is whole, from 0 to the largest code. Neither is ever 0 or not finite as a scale.
    """
    if h is not None and not h.any():
        h = None
    most = float(np.abs(w).max(initial=0))
    if most and not _LEAST < most < 1 / _LEAST:  # squares would leave float32
        unit = np.float32(2.0 ** np.floor(np.log2(most)))
        s, z = fit(w / unit, form, h, factors)
        return np.where(np.abs(s * unit) < _TINY, _TINY, s * unit), z
    tried = _FACTORS[form.bits] if factors is None else factors
    search = _Search(w, form, h)
    starts = (_to_either_end if form.symmetric else _from_end_to_end)(w, form)
    for covering, z in starts:
        for factor in tried:
            search.attempt(covering * np.float32(factor), z)
    search.refine()
    return search.s, search.z


def _weights(h: np.ndarray) -> np.ndarray:
    """Weights of errors in float32, one a column made a matrix, the largest about 1: sums of squares stay finite."""
    most = float(np.abs(h).max(initial=0))
    made = (h / most if most > 0 else h).astype(np.float32)
    return made[:, None] if made.ndim == 1 else made


def codes_of(w: np.ndarray, s: np.ndarray, z: np.ndarray, form: BlockForm) -> np.ndarray:
    """The nearest codes, uint8, shape of w: (size, M)."""
    codes: np.ndarray = np.clip(np.rint(w * (1 / s)) + z, 0, form.largest).astype(np.uint8)
    return codes


def _to_either_end(w: np.ndarray, form: BlockForm) -> list[tuple[np.ndarray, np.ndarray]]:
    """Scales that put the extreme of a block on the lowest code, and on the highest."""
    middle = 1 << form.bits - 1
    index = np.abs(w).argmax(axis=0)
    extreme = w[index, np.arange(w.shape[1])]
    z = np.full(w.shape[1], middle, np.float32)
    return [(extreme / np.float32(-middle), z), (extreme / np.float32(middle - 1), z)]


def _from_end_to_end(w: np.ndarray, form: BlockForm) -> list[tuple[np.ndarray, np.ndarray]]:
    """The scale that covers a block and 0, and the zero points at either side of where 0 falls.

    Of 2 bits every zero point, and the scale that covers the block from there.
    """
    low, high = np.minimum(w.min(axis=0), 0), np.maximum(w.max(axis=0), 0)
    if form.bits == 2:
        zeros = [np.full(w.shape[1], z, np.float32) for z in range(form.largest + 1)]
        return [(np.maximum(-low / np.maximum(z, 1), high / np.maximum(form.largest - z, 1)), z) for z in zeros]
    s = (high - low) / np.float32(form.largest)
    at = np.clip(-low / np.where(s > 0, s, 1), 0, form.largest)
    found = [np.floor(at), np.ceil(at)] if form.bits < 8 else [np.rint(at)]
    return [(s, z.astype(np.float32)) for z in found]


class _Search:
    """The best scale and zero point so far of each block."""

    def __init__(self, w: np.ndarray, form: BlockForm, h: np.ndarray | None) -> None:
        self._w, self._h, self._most = w, h, np.float32(form.largest)
        self._error = np.full(w.shape[1], np.inf, np.float32)
        self.s = np.ones(w.shape[1], np.float32)
        self.z = np.full(w.shape[1], 1 << form.bits - 1, np.float32)

    def attempt(self, s: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Take a scale and zero point where they err less; the distances q - z of the codes."""
        s = np.where(np.abs(s) < _TINY, np.float32(1), s)
        d = self._w * (1 / s)
        np.rint(d, out=d)
        np.clip(d, -z, self._most - z, out=d)
        e = d * s
        e -= self._w
        error = np.einsum("km,km->m", e, self._weighed(e))
        better = error < self._error
        np.copyto(self._error, error, where=better)
        np.copyto(self.s, s, where=better)
        np.copyto(self.z, z, where=better)
        return d

    def refine(self, times: int = 2) -> None:
        """Fit scales to the codes they gave: s = dᵀ h w / dᵀ h d."""
        for _ in range(times):
            d = self.attempt(self.s, self.z)
            weighed = self._weighed(d)
            below = np.einsum("km,km->m", weighed, d)
            above = np.einsum("km,km->m", weighed, self._w)
            self.attempt(np.where(below > 0, above / np.where(below > 0, below, 1), self.s), self.z)

    def _weighed(self, e: np.ndarray) -> np.ndarray:
        """The product h e."""
        if self._h is None:
            return e
        made: np.ndarray = e * self._h if self._h.shape[1] == 1 else self._h @ e
        return made
