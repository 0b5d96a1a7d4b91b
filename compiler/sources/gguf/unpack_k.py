"""The K types: 256 elements in 8 or 16 runs, each with a small integer scale under one half for all of them.

Layouts: ggml-common.h (block_q2_K … block_q6_K), dequantize_row_q2_K … in ggml-quants.c.
"""

from __future__ import annotations

import numpy as np

from .integers import Integers, Scales, bits_of, half, spread

__all__ = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k"]

_COUNT = np.arange(64, dtype=np.float32)
_SIGNED = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float32)


def q2_k(blocks: np.ndarray) -> Integers:
    """W = d scale q - dmin minimum: 16 pairs of 4 bits, q of 2 bits."""
    pairs = blocks[:, :16]
    return Integers(
        values=lambda: spread(blocks[:, 16:80].reshape(-1, 2, 32), (0, 2, 4, 6), 3).reshape(-1, 256).astype(np.int16),
        scale=Scales(half=half(blocks[:, 80:82]), codes=pairs & 15, table=_COUNT),
        minimum=Scales(half=half(blocks[:, 82:84]), codes=pairs >> 4, table=-_COUNT),
    )


def q3_k(blocks: np.ndarray) -> Integers:
    """W = d (scale - 32) q, q from -4 to 3: 16 scales of 6 bits; the third bits of q in front, 4 off where clear."""

    def values() -> np.ndarray:
        low = spread(blocks[:, 32:96].reshape(-1, 2, 32), (0, 2, 4, 6), 3).reshape(-1, 256).astype(np.int16)
        values: np.ndarray = low + 4 * _by_bit(blocks[:, :32]) - 4
        return values

    low = spread(blocks[:, 96:104], (0, 4), 15).reshape(-1, 16)
    high = spread(blocks[:, 104:108], (0, 2, 4, 6), 3).reshape(-1, 16)
    scale = Scales(half=half(blocks[:, 108:110]), codes=low | high << np.uint8(4), table=_COUNT - 32)
    return Integers(values=values, scale=scale)


def q4_k(blocks: np.ndarray) -> Integers:
    """W = d scale q - dmin minimum: 8 pairs of 6 bits, q of 4 bits."""
    scale, minimum = _pairs(blocks)
    return Integers(values=lambda: _nibbles(blocks[:, 16:]), scale=scale, minimum=minimum)


def q5_k(blocks: np.ndarray) -> Integers:
    """The same with a fifth bit of q."""
    scale, minimum = _pairs(blocks)
    return Integers(
        values=lambda: _nibbles(blocks[:, 48:]) + 16 * _by_bit(blocks[:, 16:48]), scale=scale, minimum=minimum
    )


def q6_k(blocks: np.ndarray) -> Integers:
    """W = d scale (q - 32): 16 scales of 8 bits."""

    def values() -> np.ndarray:
        low = spread(blocks[:, :128].reshape(-1, 2, 64), (0, 4), 15).reshape(-1, 256).astype(np.int16)
        high = spread(blocks[:, 128:192].reshape(-1, 2, 32), (0, 2, 4, 6), 3).reshape(-1, 256).astype(np.int16)
        return low + 16 * high - 32

    return Integers(values=values, scale=Scales(half=half(blocks[:, 208:210]), codes=blocks[:, 192:208], table=_SIGNED))


def _nibbles(packed: np.ndarray) -> np.ndarray:
    """4-bit codes of 256 elements: byte 32 k + j holds 64 k + j, and 64 k + 32 + j above it."""
    return spread(packed.reshape(-1, 4, 32), (0, 4), 15).reshape(-1, 256).astype(np.int16)


def _by_bit(packed: np.ndarray) -> np.ndarray:
    """Single bits of 256 elements: bit k of byte j is that of element 32 k + j."""
    return bits_of(packed).swapaxes(1, 2).reshape(-1, 256).astype(np.int16)


def _pairs(blocks: np.ndarray) -> tuple[Scales, Scales]:
    """Scales and minima of Q4_K and Q5_K: the first 4 whole in 6 bits, the others as 4 low bits and 2 above those."""
    first, second, low = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scale = np.concatenate([first & 63, low & 15 | first >> 2 & 48], axis=1)
    minimum = np.concatenate([second & 63, low >> 4 | second >> 2 & 48], axis=1)
    return (
        Scales(half=half(blocks[:, :2]), codes=scale, table=_COUNT),
        Scales(half=half(blocks[:, 2:4]), codes=minimum, table=-_COUNT),
    )
