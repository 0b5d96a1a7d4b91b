"""The operands of `MatMulNBits` from what the file holds: each a chain of nodes that is gone once a model is loaded.

============= ========================================================= ===============================
stored        chain                                                     the kernel's codes
============= ========================================================= ===============================
4-bit levels  Cast, Gather from 16 codes, Reshape                       8 bits, in the levels' blocks
3-bit planes  Cast, Add, Gather from 768 rows, Split, two Or, Reshape   4 bits
8-bit scales  Cast, Mul, Add, Reshape                                   (scales)
one a row     Expand                                                    (scales)
============= ========================================================= ===============================
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir

from ..weight_only.blocks import Blocks
from .chain import Chain
from .double_scales import DoubleScales
from .levels import Levelled
from .planes import PLANES, half_byte_table, planes

__all__ = [
    "add_double_scales",
    "add_level_codes",
    "add_levels",
    "add_plane_codes",
    "add_planes",
    "add_row_scales",
]


def add_levels(chain: Chain, codes: np.ndarray, table: np.ndarray) -> ir.Value:
    """What 4-bit codes stand for in a table of sixteen, in their shape."""
    index = chain.cast(chain.constant("quantized", codes.astype(ml_dtypes.uint4)), "index", ir.DataType.INT32)
    kind = ir.DataType.from_numpy(table.dtype)
    return chain.add("Gather", [chain.constant("levels", table), index], "levelled", codes.shape, kind, axis=0)


def add_level_codes(chain: Chain, levelled: Levelled, size: int) -> ir.Value:
    """The kernel's 8-bit codes (N, G, size) of 4-bit ones."""
    rows, columns = levelled.codes.shape
    count = -(-columns // size)
    whole = np.pad(levelled.codes, ((0, 0), (0, count * size - columns)), constant_values=levelled.levels.nothing)
    return chain.reshape(add_levels(chain, whole, levelled.table), "codes", (rows, count, size))


def add_planes(chain: Chain, codes: np.ndarray, table: np.ndarray) -> ir.Value:
    """What a table makes of 3-bit codes: (1, size / 8, columns of the table); 8 divides their size.

    One of 768 rows has those of every plane; what one of 256 gives is shifted left by the plane's number.
    """
    stored = planes(codes)
    index = chain.cast(chain.constant("planes", stored), "bytes", ir.DataType.INT32)
    own = len(table) == PLANES * 256
    if own:
        starts = chain.constant("starts", np.arange(PLANES, dtype=np.int32)[:, None] * 256)
        index = chain.add("Add", [index, starts], "index", stored.shape, ir.DataType.INT32)
    each, byte = (stored.shape[1], table.shape[1]), ir.DataType.UINT8
    shares = chain.add("Gather", [chain.constant("table", table), index], "shares", (PLANES, *each), byte, axis=0)
    if not own:
        by = chain.constant("shifts", np.arange(PLANES, dtype=np.uint8)[:, None, None])
        shares = chain.add("BitShift", [shares, by], "shifted", (PLANES, *each), byte, direction="LEFT")
    names = [f"plane_{k}" for k in range(PLANES)]
    first, *others = chain.split("Split", [shares], names, (1, *each), byte, axis=0, num_outputs=PLANES)
    for k, other in enumerate(others):
        first = chain.add("BitwiseOr", [first, other], f"joined_{k}", (1, *each), byte)
    return first


def add_plane_codes(chain: Chain, blocks: Blocks, size: int) -> ir.Value:
    """The kernel's 4-bit codes (N, G, size / 2) of 3-bit ones, with the middle that a symmetric form has."""
    rows, columns = blocks.codes.shape
    count = -(-columns // size)
    whole = np.pad(blocks.codes, ((0, 0), (0, count * size - columns)), constant_values=1 << PLANES - 1)
    codes = add_planes(chain, whole, half_byte_table(raised=blocks.zero is None))
    return chain.reshape(codes, "codes", (rows, count, size // 2))


def add_double_scales(chain: Chain, scales: DoubleScales, per: float) -> ir.Value:
    """The scales divided by `per`, float32, of their shape."""
    kind = ir.DataType.FLOAT
    codes = chain.constant("scale_quantized", scales.codes)
    dims, count = scales.codes.shape, int(np.prod(scales.shape))
    value = chain.cast(codes, "scale_codes", kind)
    step = chain.constant("scale_scale", (scales.scale / np.float32(per)).astype(np.float32))
    value = chain.add("Mul", [value, step], "scale_distances", dims, kind)
    value = chain.add(
        "Add", [value, chain.constant("scale_mean", scales.mean / np.float32(per))], "scale_runs", dims, kind
    )
    if scales.codes.size != count:
        value = chain.reshape(value, "scale_row", (scales.codes.size,))
        bounds = [
            chain.constant(f"scale_{name}", np.asarray([at], np.int64)) for name, at in (("from", 0), ("to", count))
        ]
        value = chain.add("Slice", [value, *bounds], "scale_cut", (count,), kind)
    return chain.reshape(value, "scale", scales.shape)


def add_row_scales(chain: Chain, scale: np.ndarray, count: int) -> ir.Value:
    """Scales (N, G) of one for each row, (N,)."""
    dims = (len(scale), count)
    stored = chain.constant("row_scale", np.asarray(scale, np.float32)[:, None])
    shape = chain.constant("scale_shape", np.asarray(dims, np.int64))
    return chain.add("Expand", [stored, shape], "scale", dims, ir.DataType.FLOAT)
