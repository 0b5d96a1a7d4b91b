"""Sums of products as x86 without VNNI computes them: u8 x s8 in pairs that are held in 16 bits.

    sum_j clamp(x[2j] w[2j] + x[2j+1] w[2j+1], -2^15, 2^15 - 1)       instead of       sum_k x[k] w[k]

`vpmaddubsw` multiplies unsigned with signed bytes and adds two neighbours with saturation to 16 bits; `vpmaddwd` and
`vpaddd` add the pairs in 32 bits. 255 · 127 · 2 = 64770 does not fit.

Facts (ONNX Runtime's MLAS: amd64/QgemmU8S8KernelAvx2.asm, QgemvU8S8KernelAvx2.asm, ConvSymKernelAvx2.asm, platform.cpp;
each confirmed bit for bit on 1.31.1 under qemu-x86_64 10.0 -cpu Haswell, 2026-11):

- GEMM, GEMV and Conv pair neighbours along K from its start; an odd K is filled up with 0. Blocks of K are multiples of
  4, so that no block divides a pair.
- Zero points take no part: x are the codes as stored, and z · sum_k w[k] is taken off afterwards in 32 bits.
- The same pairs saturate on AVX-512 without VNNI. u8 x u8 is widened to 16 bits first and exact.

Two codes of one pair and opposite signs cannot saturate (255 · 127 < 2^15), nor two with |w[2j] + w[2j+1]| ≤ 128:
7-bit weights never do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["HIGH", "LOW", "Sums", "can_saturate", "sums"]

LOW, HIGH = -(2**15), 2**15 - 1
# Rows multiplied at once: a bound of memory.
_ROWS = 4096
_MOST_CODE = 255


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sums:
    """Accumulators of one product, before any zero point is taken off.

    Attributes:
        exact: X W in 32 bits, int32, shape (n, m).
        held: The same with pairs held in 16 bits.
        saturated: How many sums of two products were held.
        pairs: Of how many.
    """

    exact: np.ndarray
    held: np.ndarray
    saturated: int
    pairs: int


def sums(x: np.ndarray, w: np.ndarray) -> Sums:
    """X W, exact and as pairs held in 16 bits add up.

    Exact sums by float64 (all below 2^53), less what each pair that can saturate has beyond 16 bits: few of them can.

    Args:
        x: Stored activations, uint8, shape (n, k).
        w: Stored weights, int8, shape (k, m).
    """
    count, columns = x.shape[0], w.shape[1]
    x, w = _even(x, 1), _even(w, 0)
    first, second = w[0::2].astype(np.int32), w[1::2].astype(np.int32)
    wide = w.astype(np.float64)
    exact = np.empty((count, columns), np.int32)
    held = np.empty((count, columns), np.int32)
    saturated = 0
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        some = x[rows]
        # Sums beyond 32 bits wrap around, as the kernel's do.
        exact[rows] = (some.astype(np.float64) @ wide).astype(np.int64).astype(np.int32)
        beyond, found = _beyond(some, first, second)
        held[rows] = exact[rows] - beyond
        saturated += found
    return Sums(exact=exact, held=held, saturated=saturated, pairs=count * first.size)


def can_saturate(w: np.ndarray) -> bool:
    """Whether some codes of activations make a pair saturate.

    Args:
        w: Stored weights, int8, shape (k, m).
    """
    pairs = _even(w, 0).astype(np.int32)
    first, second = pairs[0::2], pairs[1::2]
    most = np.maximum(first, 0) + np.maximum(second, 0)
    least = np.minimum(first, 0) + np.minimum(second, 0)
    return bool(((most * _MOST_CODE > HIGH) | (least * _MOST_CODE < LOW)).any())


def _beyond(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
    """What all pairs of a sum have beyond 16 bits, int32 (n, m), and how many have something.

    Args:
        x: uint8, (n, 2p).
        first: The weights of each pair's first product, int32, (p, m).
        second: Those of its second.
    """
    beyond = np.zeros((x.shape[0], first.shape[1]), np.int32)
    found = 0
    if not x.size:
        return beyond, found
    top = x.max(0).astype(np.int32)
    a, b = top[0::2, None], top[1::2, None]
    most = a * np.maximum(first, 0) + b * np.maximum(second, 0)
    least = a * np.minimum(first, 0) + b * np.minimum(second, 0)
    suspects = (most > HIGH) | (least < LOW)
    left, right = x[:, 0::2], x[:, 1::2]
    for column in np.flatnonzero(suspects.any(0)):
        at = np.flatnonzero(suspects[:, column])
        pairs = left[:, at] * first[at, column] + right[:, at] * second[at, column]
        over = pairs - np.clip(pairs, LOW, HIGH)
        found += int(np.count_nonzero(over))
        beyond[:, column] = over.sum(1)
    return beyond, found


def _even(array: np.ndarray, axis: int) -> np.ndarray:
    """Filled up with a 0 to an even length."""
    if array.shape[axis] % 2 == 0:
        return array
    return np.pad(array, [(0, int(k == axis)) for k in range(2)])
