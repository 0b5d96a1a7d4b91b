"""Half-quadratic quantization: scales and zero points for what most weights want, not the few that lie far out.

HQQ, Badri and Shaji 2023 (mobiusml.github.io/hqq_blog), in its letters; it sees the weights alone:

    min over s, z, W_e:  φ(W_e) + β/2 ‖W_e - (W - Q⁻¹(Q(W)))‖²,    φ = the l_p norm, p < 1
    W_e ← shrink(W - Q⁻¹(Q(W)), β),    shrink(x, β) = sign(x) relu(|x| - |x|^(p - 1) / β)          (sub-problem 1)
    z, s ← argmin ‖W - W_e - (W_q - z) s‖²,    β ← κ β                                            (sub-problem 2)

Two differences from the authors' code: errors are counted in steps of the scale that covers the block, so that β means
the same for small weights and large ones (errors of less than a step shrink to 0 at β = 1); and z is whole, as kernels
read it, so that s is fitted, too.
"""

from __future__ import annotations

import numpy as np

from .blocks import BlockForm, Blocks
from .nearest import codes_of, fit

__all__ = ["hqq"]

_AT_ONCE = 1 << 16


def hqq(
    W: np.ndarray, form: BlockForm, *, p: float = 0.7, beta: float = 1.0, kappa: float = 1.01, iterations: int = 20
) -> Blocks:
    """Codes, scales and zero points that forgive outliers.

    Args:
        W: (N, K), float.
        form: What it is stored in.
        p: Of the norm.
        beta: Of the half-quadratic penalty.
        kappa: What it grows by.
        iterations: Of the two sub-problems.
    """
    rows, columns = W.shape
    size = form.size or columns
    found = Blocks(
        form=form,
        codes=np.empty((rows, columns), np.uint8),
        scale=np.empty((rows, form.blocks_of(columns)), np.float32),
        zero=None if form.symmetric else np.empty((rows, form.blocks_of(columns)), np.uint8),
    )
    step = max(1, _AT_ONCE // size)
    for k, start in enumerate(range(0, columns, size)):
        across = slice(start, min(start + size, columns))
        for first in range(0, rows, step):
            few = slice(first, min(first + step, rows))
            w = np.ascontiguousarray(W[few, across].T, np.float32)
            s, z = _solve(w, form, p, beta, kappa, iterations)
            found.codes[few, across] = codes_of(w, s, z, form).T
            found.scale[few, k] = s
            if found.zero is not None:
                found.zero[few, k] = z
    return found


def _solve(
    w: np.ndarray, form: BlockForm, p: float, beta: float, kappa: float, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point, (M,), of blocks (size, M): the best under the l_p norm of all that were tried."""
    s, z = fit(w, form, factors=(1.0,))
    unit = np.abs(s)
    w = w / unit
    s = s / unit
    best, least = (s, z), np.full(s.shape, np.inf, np.float32)
    for _ in range(iterations + 1):
        d = np.clip(np.rint(w * (1 / s)), -z, form.largest - z)
        e = w - d * s
        error = (np.abs(e) ** p).sum(axis=0)
        better = error < least
        best = tuple(np.where(better, new, old) for new, old in zip((s, z), best, strict=True))
        least = np.where(better, error, least)
        size = np.abs(e)
        with np.errstate(divide="ignore"):
            e = np.sign(e) * np.maximum(size - size ** (p - 1) / beta, 0)
        meant = w - e
        if not form.symmetric:
            moved = np.clip(np.rint((d + z - meant / s).mean(axis=0)), 0, form.largest)
            d += z - moved
            z = moved
        below = np.square(d).sum(axis=0)
        fitted = (meant * d).sum(axis=0) / np.where(below > 0, below, 1)
        s = np.where(np.abs(fitted) > np.finfo(np.float32).tiny, fitted, s)
        beta *= kappa
    return best[0] * unit, best[1]
