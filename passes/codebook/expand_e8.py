"""The kernel's operands from indices of E8's points: two bytes for eight weights in the file, four in memory.

The 65536 points are not in the file either: 2 KB of patterns and 2 KB of signs make them when a model is loaded.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .chain import Chain
from .e8 import DIMENSION, patterns, sign_choices

__all__ = ["add_e8_codes", "add_e8_table"]

_PATTERNS, _SIGNS, _POINTS = 256, 128, 1 << 16
_INT = ir.DataType.INT32


def add_e8_table(chain: Chain) -> ir.Value:
    """The kernel's 4-bit codes of every point, two in a byte, uint8, (65536, 4): half the quarters of it, 8 the middle.

    A point is (2 a ± 1) / 4, a odd: its code is a + 7 or a + 8.
    """
    sizes = chain.constant("patterns", patterns().astype(np.int8).reshape(_PATTERNS, 1, 1, DIMENSION))
    signs, odd = sign_choices()
    choices = chain.constant("signs", signs.astype(np.int8))
    parity = chain.constant("parities", odd.astype(np.int32))
    dims = (_PATTERNS, _SIGNS, DIMENSION)
    signed = chain.add("Gather", [chain.cast(choices, "signs_wide", _INT), parity], "signs_each", dims, _INT, axis=0)
    signed = chain.reshape(signed, "signs_apart", (_PATTERNS, _SIGNS, 1, DIMENSION))
    wide = chain.cast(sizes, "patterns_wide", _INT)
    points = chain.add("Mul", [wide, signed], "points", (_PATTERNS, _SIGNS, 1, DIMENSION), _INT)
    ups = chain.constant("shifts", np.array([7, 8], np.int32).reshape(1, 1, 2, 1))
    codes = chain.add("Add", [points, ups], "codes", (_PATTERNS, _SIGNS, 2, DIMENSION), _INT)
    pairs = chain.reshape(codes, "pairs", (_POINTS, DIMENSION // 2, 2))
    places = chain.constant("places", np.array([1, 16], np.int32))
    pairs = chain.add("Mul", [pairs, places], "placed", (_POINTS, DIMENSION // 2, 2), _INT)
    axis = chain.constant("axis", np.array([2], np.int64))
    packed = chain.add("ReduceSum", [pairs, axis], "packed", (_POINTS, DIMENSION // 2), _INT, keepdims=0)
    return chain.cast(packed, "table", ir.DataType.UINT8)


def add_e8_codes(chain: Chain, table: ir.Value, indices: np.ndarray, size: int) -> ir.Value:
    """The kernel's 4-bit codes (N, G, size / 2) of indices (N, K / 8)."""
    rows, points = indices.shape
    each = size // DIMENSION
    count = -(-points // each)
    whole = np.pad(indices, ((0, 0), (0, count * each - points)))
    index = chain.cast(chain.constant("quantized", whole), "index", _INT)
    codes = chain.add("Gather", [table, index], "points", (*whole.shape, DIMENSION // 2), ir.DataType.UINT8, axis=0)
    return chain.reshape(codes, "codes", (rows, count, size // 2))
