"""Identity(x) -> x and Dropout(x) -> x at inference.

1. The output is read inside: its readers read x.
2. The output is a graph output and x is made by a node of this graph and is not one itself: x takes the
   public name. Where x is a graph input, an initializer or public too, the node stays: both names are
   promised to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array

__all__ = ["DropIdentity"]


@dataclass(frozen=True, kw_only=True)
class DropIdentity(Pass):
    """Remove Identity and inference Dropout from the main graph."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        dropped = [node for node in model.graph if self._try_drop(model.graph, node)]
        return ir.passes.PassResult(model, modified=bool(dropped))

    def _try_drop(self, graph: ir.Graph, node: ir.Node) -> bool:
        if node.domain not in ("", "ai.onnx") or not _does_nothing(node):
            return False
        x, y = node.inputs[0], node.outputs[0]
        if x is None:
            return False
        if y.is_graph_output():
            if x.producer() is None or x.producer().graph is not graph or x.is_graph_output():  # type: ignore[union-attr]
                return False
            name, kind, shape = y.name, y.type, y.shape
            y.replace_all_uses_with(x, replace_graph_outputs=True)
            graph.remove(node, safe=True)
            x.name = name
            x.type, x.shape = kind or x.type, shape if shape is not None else x.shape
            return True
        y.replace_all_uses_with(x)
        graph.remove(node, safe=True)
        return True


def _does_nothing(node: ir.Node) -> bool:
    if node.op_type == "Identity":
        return True
    if node.op_type != "Dropout":
        return False
    if len(node.outputs) > 1 and (tuple(node.outputs[1].uses()) or node.outputs[1].is_graph_output()):
        return False
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        training = constant_array(node.inputs[2])
        return training is not None and not training.any()
    return True
