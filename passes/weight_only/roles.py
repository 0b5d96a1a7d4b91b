"""What a weight is for in a transformer, by what reads and writes around it; no name is looked at.

========== ==========================================================================================================
role       found by
========== ==========================================================================================================
embedding  a table of at least two rows of floats, read by Gather at positions that are not constant, and not of angles
           (`angles.py`)
attention  a matrix whose product comes, moved, scaled and added to, before a product of two values that are no
           constants, or before an attention operator; or that multiplies what such a product or operator wrote
lm_head    a matrix whose product reaches an output of the graph, with no matrix and no residual sum behind it
mlp        every other matrix of a MatMul or Gemm
conv       a filter
recurrent  a matrix of an LSTM, GRU or RNN
========== ==========================================================================================================

A table that is the head, too, is an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from ..edit import is_constant, is_op
from .angles import holds_angles

__all__ = ["ROLES", "role_of"]

ROLES = ("embedding", "attention", "lm_head", "mlp", "conv", "recurrent")

_CONVS, _RECURRENT = ("Conv", "ConvTranspose"), ("LSTM", "GRU", "RNN")
_ATTENTION = ("Attention", "MultiHeadAttention", "GroupQueryAttention")
# What happens to queries, keys and values between projection and product, and to values behind it.
_PASSED = (
    "Add", "Cast", "Concat", "Div", "Expand", "Gather", "Identity", "Mul", "Neg", "Pow", "ReduceMean", "Reciprocal",
    "Reshape", "RotaryEmbedding", "RMSNormalization", "SimplifiedLayerNormalization", "Slice", "Softmax", "Split",
    "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
)  # fmt: skip
# How many nodes of those are followed at most from one matrix: rotary embeddings take twenty.
_FAR = 64


def role_of(weight: ir.Value) -> str | None:
    """The role of a constant; None where nothing multiplies or looks it up."""
    readers = [(node, index) for node, index in weight.uses() if node.graph is not None]
    if any(is_op(node, "Gather") and index == 0 and not is_constant(node.inputs[1]) for node, index in readers):
        return None if holds_angles(weight) else "embedding"
    if any(is_op(node, *_RECURRENT) for node, _ in readers):
        return "recurrent"
    if any(is_op(node, *_CONVS) for node, _ in readers):
        return "conv"
    products = [node for node, index in readers if index == 1 and is_op(node, "MatMul", "Gemm")]
    if not products:
        return None
    if all(_ends_in_output(node) for node in products):
        return "lm_head"
    return "attention" if any(_meets_attention(node) or _follows_attention(node) for node in products) else "mlp"


def _is_between_values(node: ir.Node) -> bool:
    """Whether a node is attention, or one of the two products it is made of."""
    if node.op_type in _ATTENTION:
        return True
    return is_op(node, "MatMul") and not any(is_constant(value) for value in node.inputs)


def _meets_attention(product: ir.Node) -> bool:
    return any(_is_between_values(node) for node in _behind(product))


def _follows_attention(product: ir.Node) -> bool:
    """Whether the product's input is what attention wrote, moved at most."""
    value = product.inputs[0]
    for _ in range(_FAR):
        writer = None if value is None else value.producer()
        if writer is None:
            return False
        if _is_between_values(writer):
            return True
        if not is_op(writer, "Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"):
            return False
        value = writer.inputs[0]
    return False


def _behind(product: ir.Node) -> Iterator[ir.Node]:
    """What is reached from a product through moves, sums and products with numbers, the last nodes included.

    A sum with anything but a constant is only passed where it stays among the heads: a residual sum is the end.
    """
    pending, seen = list(product.outputs), set(product.outputs)
    for _ in range(_FAR):
        if not pending:
            return
        value = pending.pop()
        for node, _ in value.uses():
            yield node
            if node.op_type in _PASSED and not _is_residual(node):
                fresh = [output for output in node.outputs if output not in seen]
                seen.update(fresh)
                pending += fresh


def _is_residual(node: ir.Node) -> bool:
    """Whether a sum adds what one projection wrote to a stream: values of three axes, neither of them constant."""
    if not is_op(node, "Add") or any(is_constant(value) for value in node.inputs):
        return False
    shapes = [value.shape for value in node.inputs if value is not None]
    return all(shape is None or len(shape) <= 3 for shape in shapes)


def _ends_in_output(product: ir.Node) -> bool:
    """Whether an output of the graph is reached, and no matrix or residual sum before."""
    pending, seen, found = list(product.outputs), set(product.outputs), False
    while pending:
        value = pending.pop()
        found = found or value.is_graph_output()
        for node, _ in value.uses():
            if _is_residual(node):
                return False
            if any(is_constant(each) and len(each.shape or ()) >= 2 for each in node.inputs if each is not None) and (
                is_op(node, "MatMul", "Gemm", *_CONVS, *_RECURRENT)
            ):
                return False
            fresh = [output for output in node.outputs if output not in seen]
            seen.update(fresh)
            pending += fresh
    return found
