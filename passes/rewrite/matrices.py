"""Products with a constant matrix, its weight found also behind a Transpose; shared weights are theirs too."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..edit import is_constant, is_op

__all__ = ["Matrix", "matrix_of"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Matrix:
    """A MatMul or Gemm.

    Attributes:
        node: The product.
        holder, index: The node that reads the weight, and as which input: the product, or a Transpose before it.
        inputs, outputs: Axes of the weight: that of what is summed up, and that of what is written.
        bias: Index of the bias; None without one.
    """

    node: ir.Node
    holder: ir.Node
    index: int
    inputs: int
    outputs: int
    bias: int | None


def matrix_of(node: ir.Node | None) -> Matrix | None:
    """The product a node is; None for any other node."""
    if node is None or not is_op(node, "MatMul", "Gemm") or is_constant(node.inputs[0]):
        return None
    weight = node.inputs[1]
    if weight is None or (node.op_type == "Gemm" and node.attributes.get_int("transA", 0) == 1):
        return None
    holder, index, inputs = node, 1, 0
    turner = weight.producer()
    if turner is not None and is_op(turner, "Transpose") and is_constant(turner.inputs[0]):
        if len(tuple(weight.uses())) != 1 or tuple(turner.attributes.get_ints("perm", (1, 0))) != (1, 0):
            return None
        weight, holder, index, inputs = turner.inputs[0], turner, 0, 1
    if weight is None or not is_constant(weight) or weight.shape is None or len(weight.shape) != 2:
        return None
    if node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1:
        inputs = 1 - inputs
    has_bias = node.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2] is not None
    return Matrix(
        node=node, holder=holder, index=index, inputs=inputs, outputs=1 - inputs, bias=2 if has_bias else None
    )
