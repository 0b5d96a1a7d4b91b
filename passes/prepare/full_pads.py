"""Pad(x, pads, value, axes) -> Pad(x, pads of every axis, value). Exact.

Between two QLinearConv the Pad is turned to channels-last at load, and ONNX Runtime's transpose optimizer permutes
`pads` as if every axis were listed: the session opens and fails when it runs (1.31.1, opset 18 and newer).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, skip, value_names

__all__ = ["FullPads"]


@dataclass(frozen=True, kw_only=True)
class FullPads(Pass):
    """List every axis in the pads of each Pad of the main graph."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        done = [node for node in model.graph if is_op(node, "Pad") and self._try_rewrite(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        if len(node.inputs) < 4 or node.inputs[3] is None:
            return False
        x, pads, axes = node.inputs[0], constant_array(node.inputs[1]), constant_array(node.inputs[3])
        if x is None or x.shape is None or pads is None or axes is None:
            skip(node, "the axes, the amounts or the rank it pads are unknown")
            return False
        rank, count = len(x.shape), len(axes)
        full = np.zeros(2 * rank, np.int64)
        for k, axis in enumerate(axes):
            full[axis % rank], full[rank + axis % rank] = pads[k], pads[count + k]
        node.replace_input_with(1, add_initializer(graph, fresh_name(f"{node.name}_pads", taken), full))
        node.resize_inputs(3)
        return True
