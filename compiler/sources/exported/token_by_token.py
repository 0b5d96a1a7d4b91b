"""Whether a graph answers each token by itself: attention alone looks at others, and only at those before.

Only then is a decoder that is fed its tokens one after the other, with a cache, the decoder that was exported without.
"""

from __future__ import annotations

import onnx_ir as ir

from ....passes.edit import constant_array, is_constant, is_op
from ....passes.fuse.size import ONE, Size
from ....passes.fuse.sizes import Sizes

__all__ = ["mixes_tokens"]

_EACH = (
    "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal", "Sigmoid", "Tanh", "Erf", "Gelu", "Relu", "Neg", "Exp",
    "Cast", "Where", "Min", "Max", "Clip", "Softplus", "Identity", "Silu", "Swish",
)  # fmt: skip
_MOVES = ("Reshape", "Unsqueeze", "Squeeze", "Transpose", "Slice", "Split", "Concat", "Expand")
_ALONG_LAST = ("Softmax", "LayerNormalization", "RMSNormalization", "ReduceMean", "ReduceSum", "ReduceMax")
_CONTRIB = ("RotaryEmbedding", "GroupQueryAttention", "SkipSimplifiedLayerNormalization", "SkipLayerNormalization")


def mixes_tokens(graph: ir.Graph, ids: ir.Value, sizes: Sizes) -> ir.Node | None:
    """The first node that may let a token see others, beside attention that is causal; None where there is none.

    Args:
        graph: The decoder.
        ids: Its tokens, (batch, tokens).
        sizes: Those of the graph.
    """
    rows = sizes.of(ids)
    assert rows is not None
    of_tokens = {ids}
    for node in graph:
        if is_op(node, "Shape") or not any(value in of_tokens for value in node.inputs):
            continue
        if not _by_token(node, of_tokens, (rows[0], rows[1]), sizes):
            return node
        of_tokens.update(node.outputs)
    return None


def _by_token(node: ir.Node, of_tokens: set[ir.Value], rows: tuple[Size, Size], sizes: Sizes) -> bool:
    given = [value for value in node.inputs if value is not None]
    mine = [value for value in given if value in of_tokens]
    ends = (*mine, *(output for output in node.outputs if output.name))
    if node.op_type in _CONTRIB and node.domain == "com.microsoft":
        return node.attributes.get_int("causal", 1) == 1
    if any((sizes.of(value) or ())[:2] != rows for value in ends):
        return False
    rank = len(sizes.of(node.outputs[0]) or ())
    if is_op(node, "Gather"):
        return is_constant(node.inputs[0]) and node.attributes.get_int("axis", 0) == 0
    if is_op(node, "MatMul"):
        return mine == given[:1] and is_constant(node.inputs[1]) and len(sizes.of(node.inputs[1]) or ()) == 2
    if is_op(node, *_EACH):
        return all(value in of_tokens or _same_for_all(value, rank, sizes) for value in given)
    if is_op(node, *_ALONG_LAST):
        return _last_axis(node, rank)
    return is_op(node, *_MOVES) and _keeps_rows(node, given, of_tokens)


def _same_for_all(value: ir.Value, rank: int, sizes: Sizes) -> bool:
    """Whether an operand is one for all tokens."""
    dims = sizes.of(value)
    if dims is None or not is_constant(value):
        return False
    return len(dims) < rank - 1 or all(size == ONE for size in dims[: len(dims) - (rank - 2)])


def _last_axis(node: ir.Node, rank: int) -> bool:
    if node.op_type.startswith("Reduce"):
        given = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
        axes = node.attributes.get_ints("axes", ()) if given is None else [int(axis) for axis in given.reshape(-1)]
        return bool(axes) and all(axis in (-1, rank - 1) for axis in axes)
    return node.attributes.get_int("axis", -1) in (-1, rank - 1)


def _keeps_rows(node: ir.Node, given: list[ir.Value], of_tokens: set[ir.Value]) -> bool:
    """Whether batch and tokens, which are the first axes before and after, are the same ones."""
    if is_op(node, "Transpose"):
        return tuple(node.attributes.get_ints("perm", ()))[:2] == (0, 1)
    if is_op(node, "Slice"):
        axes = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
        return axes is not None and all(int(axis) not in (0, 1) for axis in axes)
    if is_op(node, "Concat"):
        return all(value in of_tokens for value in given)
    return node.inputs[0] in of_tokens
