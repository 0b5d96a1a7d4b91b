"""Expand(x, shape) -> Tile(Reshape(x), repeats), where all sizes are known. Exact.

1. Nothing grows: x itself.
2. Dimensions of 1 grow: Tile, which repeats them.
3. Dimensions are added in front: they come by a Reshape first.

CoreML's provider has a builder for Tile and none for Expand (ONNX Runtime 1.31.1): grouped-query attention, which
expands its keys, would be cut at each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, value_names
from ..scope import made_from

__all__ = ["ExpandToTile"]


@dataclass(frozen=True, kw_only=True)
class ExpandToTile(Pass):
    """Repeat what every Expand in the main graph repeats by Tile."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        done = [node for node in tuple(graph) if is_op(node, "Expand") and _try_rewrite(graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_rewrite(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    x, old = node.inputs[0], node.outputs[0]
    before, after = _sizes(x), _sizes(old)
    if x is None or before is None or after is None or 0 in after:
        return False
    padded = [1] * (len(after) - len(before)) + before
    repeats = [size // one for size, one in zip(after, padded, strict=True)]
    new: list[ir.Node] = []

    def add(op: str, value: ir.Value, numbers: list[int], shape: list[int]) -> ir.Value:
        constant = add_initializer(graph, fresh_name(f"{node.name}_{op}_by", taken), np.asarray(numbers, np.int64))
        made = ir.node(op, [value, constant], name=fresh_name(f"{node.name}_{op}", taken))
        made_from(made, node)
        made.outputs[0].name = fresh_name(f"{node.name}_{op}_Output", taken)
        made.outputs[0].type, made.outputs[0].shape = old.type, ir.Shape(shape)
        new.append(made)
        return made.outputs[0]

    result = x
    if len(padded) > len(before):
        result = add("Reshape", result, padded, padded)
    if set(repeats) != {1}:
        result = add("Tile", result, repeats, after)
    if old.is_graph_output() and (not new or old.name == x.name):
        return False
    if not new:
        old.replace_all_uses_with(x)
        graph.remove(node, safe=True)
        return True
    ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], [result])
    return True


def _sizes(value: ir.Value | None) -> list[int] | None:
    """The dimensions, where all are known."""
    if value is None or value.shape is None:
        return None
    dims = [dim for dim in value.shape if isinstance(dim, int)]
    return dims if len(dims) == len(value.shape) else None
