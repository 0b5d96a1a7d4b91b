"""Whether somebody computes with how many channels there are, and not just lays values out by it.

A Reshape or Expand that reads a size of what it lays out goes on doing so when there are fewer. A mean that divides by
it, a factor 1/√size, or an output of the graph would say something else.
"""

from __future__ import annotations

import onnx_ir as ir

from ..edit import constant_array, is_op

__all__ = ["computes_with_size"]


def computes_with_size(node: ir.Node, axis: int, rank: int) -> bool:
    """Whether what a Shape or Size says of an axis becomes a float or leaves the graph.

    Args:
        node: The Shape or Size.
        axis: Of the value it reads.
        rank: Of that value.
    """
    entry: int | None = None
    if is_op(node, "Shape"):
        start, end, _ = slice(node.attributes.get_int("start", 0), node.attributes.get_int("end", rank)).indices(rank)
        if not start <= axis < end:
            return False
        entry = axis - start
    pending, seen = [(node.outputs[0], entry)], set[ir.Node]()
    while pending:
        value, entry = pending.pop()
        if value.is_graph_output():
            return True
        for reader, index in value.uses():
            if reader.graph is not node.graph or _is_float(reader):
                return True
            if reader in seen or (index == 0 and entry is not None and not _picks(reader, entry)):
                continue
            seen.add(reader)
            pending += [(out, None) for out in reader.outputs if _is_whole(out)]
    return False


def _picks(reader: ir.Node, entry: int) -> bool:
    """Whether a reader of a shape looks at this entry of it; where that is not known it does."""
    shape = reader.inputs[0]
    count = None if shape is None or shape.shape is None else shape.shape[0]
    if not isinstance(count, int):
        return True
    if is_op(reader, "Gather"):
        picked = constant_array(reader.inputs[1])
        return picked is None or bool((picked % count == entry).any())
    if is_op(reader, "Slice") and len(reader.inputs) < 5:
        start, end = (constant_array(value) for value in reader.inputs[1:3])
        return start is None or end is None or entry in range(*slice(int(start[0]), int(end[0])).indices(count))
    return True


def _is_float(node: ir.Node) -> bool:
    """Whether a node makes a float of sizes."""
    return is_op(node, "Cast") and not _is_whole(node.outputs[0])


def _is_whole(value: ir.Value) -> bool:
    return value.dtype in (ir.DataType.INT64, ir.DataType.INT32)
