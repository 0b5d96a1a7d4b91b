"""`MatMulNBits`: which forms its kernels are fast on, and the node that multiplies by a matrix in blocks.

ms for 1 x 1024 x 1024 and 32 x 1024 x 1024, one thread, accuracy_level 4, AVX512-VNNI (ONNX Runtime 1.31.1, 2026-11):

======= =========== =========== =========== =========== ===========
bits    16          32          64          128         256
======= =========== =========== =========== =========== ===========
2       1.87, 2.23  .024, .56   .014, .30   .011, .21   1.71, 2.21
4       .023, .31   .015, .29   .015, .27   .011, .21   .011, .18
8       .021, .31   .018, .25   .016, .21   .015, .20   .015, .18
======= =========== =========== =========== =========== ===========

Float takes .048, .31. uint8 zero points cost nothing. 3 bits are refused when the session opens; 2 bits in blocks of 16
or 256 expand all of the matrix at every run, as float zero points, `g_idx` and 8 bits below level 4 do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name
from .blocks import BlockForm, Blocks, kernel_bytes
from .kept_blocks import put_away

__all__ = [
    "DOMAIN",
    "INT8",
    "Operands",
    "add_operands",
    "for_kernel",
    "kernel_form",
    "matmul_nbits",
    "operands_of",
    "set_operands",
]

DOMAIN = "com.microsoft"
# The accuracy level at which activations are multiplied as int8, in blocks.
INT8 = 4
_FAST = {2: (32, 64, 128), 4: (16, 32, 64, 128, 256), 8: (16, 32, 64, 128, 256)}
# What a row with one scale is cut into, where it is longer than any block.
_CUT = 128
_OPERANDS = "edgec.operands"


@dataclass(frozen=True, kw_only=True, slots=True)
class Operands:
    """A matrix in blocks as constants of a graph, for any number of products.

    Attributes:
        blocks: What they hold, in a form of the kernel.
        codes, scales, zeros: The inputs `B`, `scales` and `zero_points`; no zero points where it is symmetric.
    """

    blocks: Blocks
    codes: ir.Value
    scales: ir.Value
    zeros: ir.Value | None


def set_operands(weight: ir.Value, operands: Operands) -> None:
    """Remember that a weight is in its graph as these constants, too."""
    weight.meta[_OPERANDS] = operands


def operands_of(weight: ir.Value) -> Operands | None:
    """The constants of a graph that hold a weight; None where there are none."""
    return weight.meta.get(_OPERANDS)


def kernel_form(form: BlockForm, columns: int) -> BlockForm | None:
    """The form with a fast kernel that holds the same numbers; None where there is none.

    Bits are widened, and blocks cut into equal ones, that repeat the scale.

    Args:
        form: The form asked for.
        columns: K.
    """
    for bits in (bits for bits in _FAST if bits >= form.bits):
        size = _cut(form.size, columns, _FAST[bits])
        if size is not None:
            return replace(form, bits=bits, size=size)
    return None


def _cut(size: int, columns: int, fast: tuple[int, ...]) -> int | None:
    if size == 0 or size >= columns:
        return next((each for each in fast if each >= columns), _CUT)
    return next((each for each in reversed(fast) if size % each == 0), None)


def for_kernel(blocks: Blocks) -> Blocks:
    """The same numbers in the form of a fast kernel; exact.

    Raises:
        ValueError: There is none: see `kernel_form`.
    """
    columns = blocks.codes.shape[1]
    form = kernel_form(blocks.form, columns)
    if form is None:
        raise ValueError(f"no fast kernel multiplies blocks of {blocks.form.size}")
    if form == blocks.form:
        return blocks
    size = blocks.form.size or columns
    of = np.minimum(np.arange(form.blocks_of(columns)) * form.size // size, blocks.scale.shape[1] - 1)
    # The middle moves with the bits; zero points of one's own stay where they are.
    up = (1 << form.bits - 1) - (1 << blocks.form.bits - 1) if blocks.zero is None else 0
    return put_away(
        Blocks(
            form=form,
            codes=blocks.codes + np.uint8(up),
            scale=np.ascontiguousarray(blocks.scale[:, of]),
            zero=None if blocks.zero is None else np.ascontiguousarray(blocks.zero[:, of]),
        )
    )


def add_operands(graph: ir.Graph, stem: str, blocks: Blocks, taken: set[str]) -> Operands:
    """Put a matrix into a graph, widened to a form with a fast kernel.

    Args:
        graph: The graph.
        stem: What the constants are named after: `stem_quantized`, `stem_scale`, `stem_zero_point`.
        blocks: The matrix.
        taken: Names in use; those added are taken too.
    """
    blocks = for_kernel(blocks)
    form, (rows, columns) = blocks.form, blocks.codes.shape
    middle, count = 1 << form.bits - 1, form.blocks_of(columns)
    codes = np.pad(blocks.codes, ((0, 0), (0, count * form.size - columns)), constant_values=middle)
    laid = kernel_bytes(codes.reshape(rows, count, form.size), form.bits, middle)
    zeros = None if blocks.zero is None else kernel_bytes(blocks.zero, form.bits, 0)

    def constant(suffix: str, array: np.ndarray) -> ir.Value:
        return add_initializer(graph, fresh_name(f"{stem}_{suffix}", taken), array)

    return Operands(
        blocks=blocks,
        codes=constant("quantized", laid),
        scales=constant("scale", np.ascontiguousarray(blocks.scale, np.float32)),
        zeros=None if zeros is None else constant("zero_point", zeros),
    )


def matmul_nbits(
    x: ir.Value, operands: Operands, *, bias: ir.Value | None = None, name: str = "", accuracy_level: int = INT8
) -> ir.Node:
    """The node of x Wᵀ + bias; the caller places the node, names its output and imports `DOMAIN`.

    Args:
        x: (..., K), float32.
        operands: W, (N, K).
        bias: (N,), or None.
        name: Of the node.
        accuracy_level: `INT8` rounds x to int8 in blocks; 0 multiplies floats.
    """
    rows, columns = operands.blocks.codes.shape
    form = operands.blocks.form
    inputs = [x, operands.codes, operands.scales, operands.zeros, None, bias]
    while inputs[-1] is None:
        inputs.pop()
    attributes = {"K": columns, "N": rows, "bits": form.bits, "block_size": form.size}
    if accuracy_level:
        attributes["accuracy_level"] = accuracy_level
    node = ir.node("MatMulNBits", inputs, attributes, domain=DOMAIN, name=name or None)
    node.outputs[0].type = x.type
    if x.shape is not None:
        node.outputs[0].shape = ir.Shape([*tuple(x.shape)[:-1], rows])
    return node
