"""Divide channels by factors: W' = S_out^-1 W S_in, b' = b / S_out, as a graph edit on traced channels.

Exact in real numbers for positive factors; in float32 within a few ulp.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, constant_array, fresh_name, value_names
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
    taken = value_names(graph)
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
    return modified


def replace_constant(
    graph: ir.Graph, node: ir.Node, index: int, array: np.ndarray, suffix: str, taken: set[str]
) -> None:
    """Let `node` read `array` as float32 in place of its constant; other readers keep theirs."""
    old = node.inputs[index]
    assert old is not None
    name = fresh_name(f"{old.name}_{suffix}", taken)
    node.replace_input_with(index, add_initializer(graph, name, np.asarray(array, np.float32)))
