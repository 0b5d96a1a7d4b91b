"""W -> DequantizeLinear(codes, scales, zeros): weights in blocks as the standard writes them.

For runtimes that are to read standard operators alone. Matrices that MatMul and Gemm read with a plain constant are
stored along their own axes, so ONNX Runtime's CPU provider makes `MatMulNBits` of (K, N) ones when it loads them
(1.31.1, at accuracy level 4; other layouts are expanded at every run).

4 bits: int4, with zero points uint4 (operator set 21); 8 bits: int8, uint8. 2 and 3 bits are stored in 4. Left to
others: weights of more or fewer axes than two that have blocks within a row, and rows that blocks do not divide.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, insert_after, rewire
from .blocks import Blocks
from .storage import Storage, blocks_of, from_matrix, stored_values
from .stored import every_name

__all__ = ["DequantizeBlocks"]


@dataclass(frozen=True, kw_only=True)
class DequantizeBlocks(Pass):
    """Store decided weights behind a DequantizeLinear."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        done = [weight for weight, storage in stored_values(model) if _try_dequantize(weight, storage, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_dequantize(weight: ir.Value, storage: Storage, taken: set[str]) -> bool:
    graph, blocks, uses = weight.graph, blocks_of(weight), tuple(weight.uses())
    if graph is None or blocks is None or not uses or weight.const_value is None:
        return False
    shape, columns = tuple(weight.const_value.shape.numpy()), blocks.codes.shape[1]
    count = blocks.form.blocks_of(columns)
    if not _is_expressible(shape, storage, blocks):
        return False
    axis = storage.summed[0] if count > 1 else 1 - storage.summed[0] if len(shape) == 2 else 0

    def constant(suffix: str, array: np.ndarray) -> ir.Value:
        return add_initializer(graph, fresh_name(f"{weight.name}_{suffix}", taken), np.ascontiguousarray(array))

    def laid(each: np.ndarray) -> np.ndarray:
        """One number of each block, in the order of the weight's axes."""
        return each.reshape(-1) if count == 1 else from_matrix(each, _shape_of_blocks(shape, axis, count), (axis,))

    codes = constant("quantized", from_matrix(_typed(blocks.codes, blocks), shape, storage.summed))
    operands = [codes, constant("scale", laid(blocks.scale))]
    if blocks.zero is not None:
        operands.append(constant("zero_point", laid(_typed(blocks.zero, blocks))))
    attributes = {"axis": axis} if count == 1 else {"axis": axis, "block_size": blocks.form.size}
    dq = ir.node("DequantizeLinear", operands, attributes, name=fresh_name(f"{weight.name}_DequantizeLinear", taken))
    value = dq.outputs[0]
    value.name = fresh_name(f"{weight.name}_DequantizeLinear_Output", taken)
    value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(shape)
    insert_after(graph, codes, [dq])
    rewire(uses, value)
    del graph.initializers[str(weight.name)]
    return True


def _is_expressible(shape: tuple[int, ...], storage: Storage, blocks: Blocks) -> bool:
    """Whether one axis has the scales: rows with one each, of weights that have them first; blocks of matrices."""
    columns = blocks.codes.shape[1]
    if blocks.form.blocks_of(columns) == 1:
        return len(shape) == 2 or storage.summed == tuple(range(1, len(shape)))
    return len(shape) == 2 and columns % blocks.form.size == 0


def _shape_of_blocks(shape: tuple[int, ...], axis: int, count: int) -> tuple[int, ...]:
    return tuple(count if k == axis else size for k, size in enumerate(shape))


def _typed(codes: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Codes in the narrowest type of the standard that holds them: signed around 0 where the form is symmetric."""
    bits = blocks.form.bits
    if blocks.zero is not None:
        return codes.astype(np.uint8 if bits == 8 else ml_dtypes.uint4)
    return (codes.astype(np.int16) - (1 << bits - 1)).astype(np.int8 if bits == 8 else ml_dtypes.int4)
