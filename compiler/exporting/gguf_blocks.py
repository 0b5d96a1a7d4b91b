"""Matrices in blocks as the bytes of GGUF's types: Q4_0, Q4_1, Q8_0. Pure functions on arrays.

======= =================== =======================================
type    value               integers (blocks of 32)
======= =================== =======================================
Q4_0    d (q - 8)           from -8 to 7: 4 bits symmetric, 3, 2
Q4_1    d q + m             from 0 to 15, m = -zero d
Q8_0    d q                 from -128 to 127
======= =================== =======================================

d and m are halves: what a scale in float32 loses in one is said, not hidden. Layouts: ggml-common.h, block_q4_0 ….
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...passes.weight_only.blocks import Blocks

__all__ = ["Packed", "pack"]

_SIZE = 32
# A half has 11 bits; a scale that loses more is below the normal halves, or above all of them.
_MOST_LOST = 2.0**-11


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Packed:
    """A matrix as GGUF stores it.

    Attributes:
        kind: `Q4_0`, `Q4_1` or `Q8_0`.
        data: uint8, (N, bytes of a row).
        lost: The largest relative change of a scale or minimum in a half; 0 where all are halves already.
    """

    kind: str
    data: np.ndarray
    lost: float


def pack(blocks: Blocks) -> Packed | str:
    """A matrix in the smallest type that holds its integers.

    Returns:
        The bytes; or why no type holds it.
    """
    rows, columns = blocks.codes.shape
    size = blocks.form.size or columns
    if size % _SIZE or columns % _SIZE:
        return f"its blocks of {size} along {columns} are no multiples of {_SIZE}"
    each = size // _SIZE
    scale = np.repeat(blocks.scale, each, axis=1)[:, : columns // _SIZE]
    d = _halves(scale)
    lost = _lost(scale, d)
    if lost > _MOST_LOST:
        return "its scales are beyond the normal halves"
    zero = _zeros(blocks, each, columns)
    values = blocks.codes.reshape(rows, -1, _SIZE).astype(np.int16) - zero[..., None]
    if values.min(initial=0) >= -8 and values.max(initial=0) <= 7:
        return Packed(kind="Q4_0", data=_rows(d, _nibbles(values + 8)), lost=lost)
    if blocks.form.bits == 4:
        least = -zero.astype(np.float32) * d.astype(np.float32)
        m = _halves(least)
        codes = blocks.codes.reshape(rows, -1, _SIZE)
        lost = max(lost, _lost(least, m))
        if lost > _MOST_LOST:
            return "its minima are beyond the normal halves"
        return Packed(kind="Q4_1", data=_rows(d, m, _nibbles(codes)), lost=lost)
    if values.min(initial=0) < -128 or values.max(initial=0) > 127:
        return "its integers leave 8 bits"
    return Packed(kind="Q8_0", data=_rows(d, values.astype(np.int8).view(np.uint8)), lost=lost)


def _zeros(blocks: Blocks, each: int, columns: int) -> np.ndarray:
    """Zero points of blocks of 32, int16, (N, K / 32)."""
    if blocks.zero is None:
        return np.full((blocks.codes.shape[0], columns // _SIZE), 1 << (blocks.form.bits - 1), np.int16)
    return np.repeat(blocks.zero, each, axis=1)[:, : columns // _SIZE].astype(np.int16)


def _halves(numbers: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return numbers.astype(np.float16)


def _lost(numbers: np.ndarray, halves: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.abs(halves.astype(np.float64) - numbers) / np.abs(numbers)
    change = np.where(numbers == 0, 0.0, np.where(np.isfinite(halves.astype(np.float32)), change, np.inf))
    return float(change.max(initial=0.0))


def _nibbles(codes: np.ndarray) -> np.ndarray:
    """4-bit codes of blocks, (N, G, 32), element j and j + 16 in byte j: uint8, (N, G, 16)."""
    codes = codes.astype(np.uint8)
    packed: np.ndarray = codes[..., :16] | codes[..., 16:] << np.uint8(4)
    return packed


def _rows(*parts: np.ndarray) -> np.ndarray:
    """Halves (N, G) and bytes (N, G, n) of blocks, one block behind the other."""
    columns = [part[..., None].view(np.uint8) if part.dtype == np.float16 else part for part in parts]
    whole = np.concatenate(columns, axis=-1)
    return whole.reshape(len(whole), -1)
