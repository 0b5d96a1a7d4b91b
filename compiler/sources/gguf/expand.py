"""The kernel's codes, scales and minima of a quantized matrix, as compact in the file as GGUF has them, or nearly.

===================== ======================================= =================================
stored                made of it                              types
===================== ======================================= =================================
kernel's bytes        themselves                              Q4_0 Q4_1 Q8_0 Q4_K TQ1_0 TQ2_0
planes                Gather from tables, Or                  Q1_0 Q2_K Q3_K Q5_* Q6_K IQ4_* *FP4
rows of a codebook    Gather; Where signs take the negatives  IQ1_* IQ2_* IQ3_*
halves                Cast                                    scales of the simple types
halves and bytes      Mul(Cast, Gather from a table)          scales and minima of 256 elements
===================== ======================================= =================================

Tables are stored once for all matrices of a type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ....passes.weight_only.blocks import kernel_bytes
from .integers import Integers, Rows, Scales, bits_of
from .kinds import Kind
from .planes import Plane, planes_of
from .steps import Steps

__all__ = ["Decode", "expand_codes", "expand_scales", "fields_of"]

# Makes an array of a whole matrix from what makes one of some of its rows.
Decode: TypeAlias = Callable[[Callable[[Integers], np.ndarray]], np.ndarray]

_BYTE, _WIDE, _FLOAT, _HALF = ir.DataType.UINT8, ir.DataType.INT32, ir.DataType.FLOAT, ir.DataType.FLOAT16


def expand_codes(steps: Steps, kind: Kind, shape: tuple[int, int], decode: Decode) -> ir.Value:
    """The kernel's bytes, uint8 (N, K bits / 8).

    Args:
        steps: Writes the nodes.
        kind: The matrix' type.
        shape: (N, K).
        decode: Makes what is stored.
    """
    if kind.levels is None:
        return _expand_rows(steps, kind, shape, decode)
    wide: list[ir.Value] = []
    for k, plane in enumerate(planes_of(kind)):
        what = f"quantized_{k}" if k else "quantized"

        stored = steps.stored(what, partial(decode, partial(_packed, kind, plane)), _narrow(shape, plane.width), _BYTE)
        if plane.table is None:
            return stored
        made = steps.looked_up(steps.shared(f"{kind.name}_{what}_table", plane.table), stored, what)
        wide.append(steps.reshape(made, _narrow(shape, kind.bits), what))
    if len(wide) == 1:
        return wide[0]
    return steps.step("BitwiseOr", wide, "quantized", _narrow(shape, kind.bits), _BYTE)


def expand_scales(
    steps: Steps,
    kind: Kind,
    what: str,
    shape: tuple[int, int],
    decode: Decode,
    of: Callable[[Integers], Scales],
) -> ir.Value:
    """Scales or minima, float32 (N, G); each repeated where the kernel's blocks are shorter than GGUF's.

    Args:
        steps: Writes the nodes.
        kind: The matrix' type.
        what: `scale` or `minimum`.
        shape: (N, G).
        decode: Makes what is stored.
        of: Takes them from the integers.
    """
    rows, count = shape
    one = of(kind.unpack(np.zeros((1, kind.nbytes), np.uint8)))
    if one.codes is None or one.table is None:
        stored = steps.stored(what, lambda: decode(lambda i: _repeated(of(i).half, count)), shape, _HALF)
        return steps.cast(stored, _FLOAT, what)
    # Two in a byte where there are few.
    each = 2 if len(one.table) <= 16 and one.codes.shape[1] % 2 == 0 else 1

    def codes(integers: Integers) -> np.ndarray:
        found = of(integers).codes
        assert found is not None
        return kernel_bytes(found, 8 // each, 0)

    table = np.resize(one.table, 256 if each == 1 else 16)[fields_of(8 // each)]
    stored = steps.stored(f"{what}_codes", lambda: decode(codes), (rows, count // each), _BYTE)
    shared = steps.shared(f"{kind.name}_{what}_table", table)
    factors = steps.looked_up(shared, stored, f"{what}_codes")
    if one.half is None:
        return steps.reshape(factors, shape, what)
    outer = count * one.half.shape[1] // one.codes.shape[1]
    halves = steps.stored(f"{what}_half", lambda: decode(lambda i: _repeated(of(i).half, outer)), (rows, outer), _HALF)
    parts = (rows, outer, count // outer)
    whole = steps.reshape(steps.cast(halves, _FLOAT, f"{what}_half"), (rows, outer, 1), f"{what}_half")
    made = steps.step("Mul", [whole, steps.reshape(factors, parts, f"{what}_codes")], what, parts)
    return steps.reshape(made, shape, what)


def fields_of(bits: int) -> np.ndarray:
    """What lies in every byte: int64, (256, 8 / bits), the lowest bits first."""
    return np.arange(256)[:, None] >> np.arange(0, 8, bits) & (1 << bits) - 1


def _packed(kind: Kind, plane: Plane, integers: Integers) -> np.ndarray:
    levels, whole = np.asarray(kind.levels), integers.whole
    consecutive = levels[-1] - levels[0] + 1 == len(levels)
    return plane.pack((whole - levels[0] if consecutive else np.searchsorted(levels, whole)).astype(np.uint8))


def _narrow(shape: tuple[int, int], bits: int) -> tuple[int, int]:
    """The bytes of a matrix of so many bits an element."""
    return shape[0], shape[1] * bits // 8


def _expand_rows(steps: Steps, kind: Kind, shape: tuple[int, int], decode: Decode) -> ir.Value:
    """Rows of a codebook: the low bytes of their indices, the bits above, and signs."""
    count, columns = shape
    table = _rows(kind.unpack(np.zeros((1, kind.nbytes), np.uint8))).table
    each, above = columns // table.shape[1], (len(table) - 1).bit_length() - 8
    low = steps.stored("index", lambda: decode(lambda i: _rows(i).index.astype(np.uint8)), (count, each), _BYTE)
    index = steps.cast(low, _WIDE, "index")
    if above > 0:
        field = 1 << (above - 1).bit_length()

        def high(integers: Integers) -> np.ndarray:
            return kernel_bytes((_rows(integers).index >> 8).astype(np.uint8), field, 0)

        stored = steps.stored("index_high", lambda: decode(high), (count, each * field // 8), _BYTE)
        bits = steps.shared(f"index_bits_{field}", (fields_of(field) << 8).astype(np.int32))
        upper = steps.reshape(steps.looked_up(bits, stored, "index_high"), (count, each), "index_high")
        index = steps.step("Add", [index, upper], "index", (count, each), _WIDE)
    middle = kind.zero or 0
    positive = steps.shared(f"{kind.name}_rows", (middle + table).astype(np.uint8))
    made = steps.reshape(steps.looked_up(positive, index, "quantized"), shape, "quantized")
    if not kind.signed:
        return made
    negative = steps.shared(f"{kind.name}_negative_rows", (middle - table).astype(np.uint8))
    others = steps.reshape(steps.looked_up(negative, index, "negative"), shape, "negative")
    signs = steps.stored("signs", lambda: decode(_signs), (count, columns // 8), _BYTE)
    bits = steps.shared("sign_bits", bits_of(np.arange(256, dtype=np.uint8)).astype(np.bool_))
    minus = steps.reshape(steps.looked_up(bits, signs, "signs"), shape, "signs")
    return steps.step("Where", [minus, others, made], "quantized", shape, _BYTE)


def _rows(integers: Integers) -> Rows:
    assert isinstance(integers.values, Rows)
    return integers.values


def _signs(integers: Integers) -> np.ndarray:
    signs = _rows(integers).signs
    assert signs is not None
    return signs


def _repeated(half: np.ndarray | None, count: int) -> np.ndarray:
    assert half is not None
    return np.repeat(half, count // half.shape[1], axis=1)
