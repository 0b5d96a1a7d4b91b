"""Divide channels by factors: W' = S_out^-1 W S_in, b' = b / S_out, as a graph edit on traced channels.

A Clip from 0 to B between them becomes a Relu and a Min with B / s, a number per channel.

Exact in real numbers for positive factors; in float32 within a few ulp.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, constant_array, fresh_name, value_names
from ..quantize.clamps import bounds_of
from .channels import Channels

__all__ = ["replace_constant", "rescale"]


def rescale(graph: ir.Graph, channels: Channels, s: np.ndarray, suffix: str) -> bool:
    """Divide the elements of every label by its factor, in the constants that make and read them.

    Args:
        graph: The main graph; it is edited.
        channels: What was traced in it.
        s: Factor of every label, float64, positive, shape (channels.count,); that of label 0 is 1.
        suffix: What new constants are called after.

    Returns:
        Whether anything changed.
    """
    taken = value_names(graph) | {node.name for node in graph if node.name}
    modified = False
    for each in channels.layers:
        rows, columns, layer = s[each.rows], s[each.columns], each.layer
        if np.all(rows == 1.0) and np.all(columns == 1.0):
            continue
        weight = layer.weight * columns[:, None, :, None] / rows[:, :, None, None]
        replace_constant(graph, layer.node, 1, layer.stored(weight), suffix, taken)
        b = layer.bias
        if b is not None and np.any(rows != 1.0):
            replace_constant(graph, layer.node, 2, b / rows.reshape(-1), suffix, taken)
        modified = True
    for factor in channels.factors:
        ratio = s[factor.columns] / s[factor.rows]
        c = constant_array(factor.node.inputs[factor.index])
        if c is None or np.all(ratio == 1.0):
            continue
        replace_constant(graph, factor.node, factor.index, c * ratio, suffix, taken)
        modified = True
    for ceiling in channels.ceilings:
        factors = s[ceiling.rows]
        if np.any(factors != 1.0):
            _lower_ceiling(graph, ceiling.node, 1.0 / factors, suffix, taken)
            modified = True
    return modified


def _lower_ceiling(graph: ir.Graph, node: ir.Node, ratio: np.ndarray, suffix: str, taken: set[str]) -> None:
    """Clip(x, 0, bound) -> Min(Relu(x), bound * ratio), Clip(x, , bound) -> Min(x, bound * ratio)."""
    low, high = bounds_of(node)
    x, y = node.inputs[0], node.outputs[0]
    name = fresh_name(f"{y.name}_{suffix}_ceiling", taken)
    bound = add_initializer(graph, name, (high * ratio).astype(np.float32))
    new = []
    if low == 0.0:
        relu = ir.node("Relu", [x], name=fresh_name(f"{node.name}_Relu", taken))
        x = relu.outputs[0]
        x.name, x.type, x.shape = fresh_name(f"{y.name}_{suffix}_relu", taken), y.type, y.shape
        new.append(relu)
    lowest = ir.node("Min", [x, bound], name=node.name)
    result = lowest.outputs[0]
    result.name, result.type, result.shape = y.name, y.type, y.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [*new, lowest], [y], [result])


def replace_constant(
    graph: ir.Graph, node: ir.Node, index: int, array: np.ndarray, suffix: str, taken: set[str]
) -> None:
    """Let `node` read `array` as float32 in place of its constant; other readers keep theirs."""
    old = node.inputs[index]
    assert old is not None
    name = fresh_name(f"{old.name}_{suffix}", taken)
    node.replace_input_with(index, add_initializer(graph, name, np.asarray(array, np.float32)))
