"""The codebook types: rows of a fixed table, signs, and small integer scales under one half for 256 elements.

Layouts: ggml-common.h (block_iq2_xxs … block_iq1_m), dequantize_row_iq2_xxs … in ggml-quants.c. The tables
(iq2xxs_grid …) come with the `gguf` package.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .integers import Integers, Rows, Scales, bits_of, half, spread

__all__ = ["iq1_m", "iq1_s", "iq2_s", "iq2_xs", "iq2_xxs", "iq3_s", "iq3_xxs"]

# 1/2 + s.
_HALVES = np.arange(16, dtype=np.float32) + np.float32(0.5)


def iq2_xxs(blocks: np.ndarray) -> Integers:
    """W = d (1/2 + s) / 4 * ± row of 8: 8 pairs of words, 4 indices, then 4 runs of 7 signs and s above them."""
    words = _words(blocks[:, 2:], "<u4").reshape(-1, 8, 2)
    index = np.ascontiguousarray(words[..., 0]).view(np.uint8).reshape(-1, 32)
    packed = np.ascontiguousarray(words[..., 1])
    return _iq("IQ2_XXS", index, _sevens(packed), blocks, packed >> 28, _HALVES / 4)


def iq2_xs(blocks: np.ndarray) -> Integers:
    """The same with 9 bits of index and 7 signs in a word of 16 bits, a scale for 16 elements."""
    words = _words(blocks[:, 2:66], "<u2")
    signs = _even((words >> 9).astype(np.uint8))
    return _iq("IQ2_XS", words & 511, signs, blocks, _nibbles(blocks[:, 66:]), _HALVES / 4)


def iq2_s(blocks: np.ndarray) -> Integers:
    """The same with 10 bits of index, the 2 high ones apart, and all 8 signs."""
    high = spread(blocks[:, 66:74, None], (0, 2, 4, 6), 3).reshape(-1, 32)
    index = blocks[:, 2:34].astype(np.uint16) | high.astype(np.uint16) << 8
    return _iq("IQ2_S", index, blocks[:, 34:66], blocks, _nibbles(blocks[:, 74:]), _HALVES / 4)


def iq3_xxs(blocks: np.ndarray) -> Integers:
    """W = d (1/2 + s) / 2 * ± row of 4: 64 indices, then 8 words of 4 runs of 7 signs and s above them."""
    packed = _words(blocks[:, 66:98], "<u4")
    return _iq("IQ3_XXS", blocks[:, 2:66], _sevens(packed), blocks, packed >> 28, _HALVES / 2)


def iq3_s(blocks: np.ndarray) -> Integers:
    """W = d (1 + 2 s) * ± row of 4: 9 bits of index, the high ones apart, all 8 signs."""
    high = bits_of(blocks[:, 66:74]).reshape(-1, 64).astype(np.uint16)
    index = blocks[:, 2:66].astype(np.uint16) | high << 8
    return _iq("IQ3_S", index, blocks[:, 74:106], blocks, _nibbles(blocks[:, 106:110]), _HALVES * 2)


def iq1_s(blocks: np.ndarray) -> Integers:
    """W = d (2 s + 1) * (row of 8 ± 1/8): 11 bits of index; s and the sign of the shift are for 32 elements."""
    packed = _words(blocks[:, 34:50], "<u2")
    high = packed[..., None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)
    shift = np.repeat(packed >> 15, 4, axis=1)
    index = blocks[:, 2:34].astype(np.uint16) | high.reshape(-1, 32) << 8 | shift << 11
    scale = Scales(half=half(blocks[:, :2]), codes=(packed >> 12 & 7).astype(np.uint8), table=_HALVES / 4)
    return Integers(values=Rows(table=_shifted(), index=index), scale=scale)


def iq1_m(blocks: np.ndarray) -> Integers:
    """The same with s for 16 elements and a shift for 8; d is in the high bits of the 4 words that hold s."""
    words = _words(blocks[:, 48:56], "<u2")
    parts = (words >> 12) << np.array([0, 4, 8, 12], np.uint16)
    d = np.bitwise_or.reduce(parts, axis=1).view("<f2")[:, None]
    small = (words[..., None] >> np.array([0, 3, 6, 9], np.uint16) & np.uint16(7)).reshape(-1, 16)
    high = spread(blocks[:, 32:48, None], (0, 4), 15).reshape(-1, 32)
    index = blocks[:, :32].astype(np.uint16) | high.astype(np.uint16) << 8
    scale = Scales(half=d, codes=small.astype(np.uint8), table=_HALVES / 4)
    return Integers(values=Rows(table=_shifted(), index=index), scale=scale)


@cache
def table(name: str) -> np.ndarray:
    """The rows that a type's indices name, int16, (rows, 4 or 8)."""
    from gguf import quants

    kind = getattr(quants, name)
    kind.init_grid()
    return np.asarray(kind.grid).reshape(kind.grid_shape).astype(np.int16)


@cache
def _shifted() -> np.ndarray:
    """Eight times the rows of IQ1 with 1/8 added, then with 1/8 taken off."""
    rows = 8 * table("IQ1_S")
    return np.concatenate([rows + 1, rows - 1])


def _iq(
    name: str, index: np.ndarray, signs: np.ndarray, blocks: np.ndarray, scales: np.ndarray, stand_for: np.ndarray
) -> Integers:
    """Rows of a type's table with signs, scaled by d times what the small integers stand for."""
    rows = Rows(table=table(name), index=index.astype(np.uint16), signs=signs.reshape(len(blocks), -1))
    return Integers(values=rows, scale=Scales(half=half(blocks[:, :2]), codes=scales.astype(np.uint8), table=stand_for))


def _words(packed: np.ndarray, dtype: str) -> np.ndarray:
    return np.ascontiguousarray(packed).view(dtype)


def _nibbles(packed: np.ndarray) -> np.ndarray:
    """4-bit numbers, the low one of a byte first: uint8, (M, 2 n)."""
    return spread(packed[..., None], (0, 4), 15).reshape(len(packed), -1)


def _sevens(packed: np.ndarray) -> np.ndarray:
    """Signs of 4 runs of 8 in the low 28 bits of words: uint8, (M, n, 4)."""
    return _even((packed[..., None] >> np.array([0, 7, 14, 21], np.uint32) & np.uint32(127)).astype(np.uint8))


def _even(sevens: np.ndarray) -> np.ndarray:
    """7 signs and the eighth, which makes their number even."""
    signs: np.ndarray = sevens | (np.bitwise_count(sevens) & np.uint8(1)) << np.uint8(7)
    return signs
