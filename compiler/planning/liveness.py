"""Bytes of activations alive at once when a graph runs in order, and the bytes of its weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

__all__ = ["peak_activation_bytes", "value_elements"]

_IN_PLACE = frozenset(("Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"))


def peak_activation_bytes(model: ir.Model, width: Callable[[ir.Value], int]) -> int:
    """Largest sum of live activations over the graph's nodes, for one sample.

    A value lives from the node that makes it to its last reader (graph outputs to the end); what only
    relabels or clamps works in place. Bodies of If, Loop and Scan count as one node.

    Args:
        model: The model; unknown dimensions count as 1.
        width: Bytes of one element of a value.
    """
    graph = model.graph
    order = {node: position for position, node in enumerate(graph)}
    last: dict[ir.Value, int] = {}
    for value in (*graph.inputs, *(output for node in graph for output in node.outputs)):
        readers = [order[reader] for reader, _ in value.uses() if reader in order]
        inside = any(reader not in order for reader, _ in value.uses())
        last[value] = len(order) if value.is_graph_output() or inside else max(readers, default=-1)
    dying: dict[int, int] = {}
    live = 0
    for value in graph.inputs:
        if not value.is_initializer():
            size = value_elements(value) * width(value)
            live += size
            dying[last[value]] = dying.get(last[value], 0) + size
    peak = live
    for node, position in order.items():
        for value in node.outputs:
            first = node.inputs[0] if node.inputs else None
            reuses = node.op_type in _IN_PLACE and first is not None and last.get(first) == position
            size = value_elements(value) * width(value)
            live += size
            # Reused bytes die as the operand right after this node; both are counted for this moment only.
            peak = max(peak, live - size if reuses else live)
            end = max(last[value], position)
            dying[end] = dying.get(end, 0) + size
        live -= dying.pop(position, 0)
    return peak


def value_elements(value: ir.Value) -> int:
    """Elements of a value for one sample; unknown dimensions count as 1."""
    if value.shape is None:
        return 0
    return int(np.prod([dim if isinstance(dim, int) else 1 for dim in value.shape], dtype=np.int64))
