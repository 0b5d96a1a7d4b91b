"""What nodes do to rows of a last axis: whether they move them whole, square them, sum them up."""

from __future__ import annotations

import onnx_ir as ir

from ..edit import constant_array, constant_scalar, is_op

__all__ = ["MOVERS", "is_square", "is_table", "keeps_rows", "reduces_last", "width_of"]

# Moves rows, where `keeps_rows` says so.
MOVERS = (
    *("Identity", "Reshape", "Flatten", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Expand", "Gather", "Split"),
    *("ReduceMean", "ReduceSum"),
)


def width_of(value: ir.Value | None) -> int | None:
    """The last dimension of a value, where it is known."""
    if value is None or value.shape is None or len(value.shape) == 0:
        return None
    last = value.shape[-1]
    return last if isinstance(last, int) else None


def is_table(node: ir.Node, width: int) -> bool:
    """Whether a Gather looks up whole rows, so wide, of a table."""
    table = node.inputs[0]
    rank = 0 if table is None or table.shape is None else len(table.shape)
    return rank > 1 and node.attributes.get_int("axis", 0) % rank != rank - 1 and width_of(table) == width


def is_square(node: ir.Node, value: ir.Value) -> bool:
    """Whether a node writes the squares of a value."""
    if is_op(node, "Pow"):
        return node.inputs[0] is value and constant_scalar(node.inputs[1]) == 2.0
    return is_op(node, "Mul") and node.inputs[0] is node.inputs[1]


def reduces_last(node: ir.Node) -> bool:
    """Whether a node reduces the last axis, and only that."""
    x, axes = node.inputs[0], _axes_of(node)
    return x is not None and x.shape is not None and axes in ((-1,), (len(x.shape) - 1,))


def _axes_of(node: ir.Node) -> tuple[int, ...] | None:
    """The axes a reduction names, where they are constant."""
    axes = node.attributes.get_ints("axes", None)
    if axes is None and len(node.inputs) > 1 and node.inputs[1] is not None:
        given = constant_array(node.inputs[1])
        return None if given is None else tuple(int(axis) for axis in given.reshape(-1))
    return None if axes is None else tuple(axes)


def keeps_rows(node: ir.Node, width: int) -> bool:
    """Whether a node moves, or sums up, whole rows of the last axis."""
    x, y = node.inputs[0], node.outputs[0]
    if x is None or x.shape is None or width_of(x) != width or width_of(y) != width:
        return False
    rank = len(x.shape)
    axes: tuple[int, ...] | None = ()
    if is_op(node, "Transpose"):
        return tuple(node.attributes.get_ints("perm", tuple(reversed(range(rank)))))[-1] == rank - 1
    if is_op(node, "Gather", "Split", "Concat"):
        axes = (node.attributes.get_int("axis", 0),)
    elif is_op(node, "ReduceMean", "ReduceSum"):
        axes = _axes_of(node)
    elif is_op(node, "Slice"):
        given = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
        axes = None if given is None else tuple(int(axis) for axis in given.reshape(-1))
    return axes is not None and all(axis % rank != rank - 1 for axis in axes)
