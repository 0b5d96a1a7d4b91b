"""Reshape(x, sizes computed at run time) -> Reshape(x, [0, 0, 4, 8]), where torch proved what the sizes are.

0 keeps the size of x at that place, -1 is what is left over (onnx 1.23, Reshape-14). Each output size must be a number,
the symbol that x has at the same place, or the only other one. Without this every view of a module with two free
dimensions drags Shape, Gather and Concat behind it, and no pass sees through them.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

__all__ = ["settle_reshapes"]


def settle_reshapes(model: ir.Model) -> None:
    """Write what is known of sizes into Reshape; edited in place."""
    for node in tuple(model.graph):
        if node.op_type == "Reshape" and not node.domain:
            sizes = _sizes(node)
            if sizes is not None:
                _settle(model.graph, node, sizes)


def _sizes(node: ir.Node) -> list[int] | None:
    x, shape = node.inputs[0], node.inputs[1]
    made = node.outputs[0].shape
    if x is None or x.shape is None or made is None or shape is None or shape.is_initializer():
        return None
    sizes = []
    for axis, dim in enumerate(made):
        if isinstance(dim, int):
            sizes.append(dim)
        elif axis < len(x.shape) and _same(dim, x.shape[axis]):
            sizes.append(0)
        else:
            sizes.append(-1)
    return sizes if sizes.count(-1) < 2 and not _empty(made) else None


def _same(one: ir.SymbolicDim, other: int | ir.SymbolicDim) -> bool:
    return isinstance(other, ir.SymbolicDim) and one.value is not None and one.value == other.value


def _empty(shape: ir.Shape) -> bool:
    """Whether a size is 0, which a Reshape would read as `as it was`."""
    return any(dim == 0 for dim in shape if isinstance(dim, int))


def _settle(graph: ir.Graph, node: ir.Node, sizes: list[int]) -> None:
    tensor = ir.Tensor(np.asarray(sizes, np.int64))
    value = ir.Value(
        name=f"{node.outputs[0].name} sizes",
        shape=ir.Shape(tensor.shape),
        type=ir.TensorType(tensor.dtype),
        const_value=tensor,
    )
    graph.initializers.add(value)
    node.replace_input_with(1, value)
    node.attributes.pop("allowzero", None)
