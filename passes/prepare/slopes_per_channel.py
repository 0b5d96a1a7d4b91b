"""PRelu(x, a of (1, C, 1, 1)) -> PRelu(x, a of (C, 1, 1)). Exact: both broadcast alike.

CoreML's provider takes slopes of three dimensions, or one slope (ONNX Runtime 1.31.1); exporters that go by the rank of
x write four. ESPNetv2 has 64 of these, each the end of a partition.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, value_names

__all__ = ["SlopesPerChannel"]


@dataclass(frozen=True, kw_only=True)
class SlopesPerChannel(Pass):
    """Drop the batch axis of the slopes of every PRelu in the main graph."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        short: dict[ir.Value, ir.Value] = {}
        done = [node for node in model.graph if is_op(node, "PRelu") and _try_shorten(model.graph, node, taken, short)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_shorten(graph: ir.Graph, node: ir.Node, taken: set[str], short: dict[ir.Value, ir.Value]) -> bool:
    x, slope = node.inputs[0], node.inputs[1]
    slopes = constant_array(slope)
    if x is None or slope is None or slopes is None or x.shape is None:
        return False
    if slopes.ndim != 4 or slopes.shape[0] != 1 or len(x.shape) != 4:
        return False
    if slope not in short:
        short[slope] = add_initializer(graph, fresh_name(f"{slope.name}_per_channel", taken), slopes[0])
    node.replace_input_with(1, short[slope])
    return True
