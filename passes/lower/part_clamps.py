"""y = Q(clamp(f(x))) -> Q(clamp(DQ(Q(f(x))))): a pair between an integer kernel and the clamp behind it.

The QNN provider takes a node for integers when Q/DQ stand right around it; a Relu, Clip or Min that `AbsorbClamps`
left between f and its Q makes f one of floats. Both pairs have the same params: saturation and clamp may change
places, so the result differs by half a step where a bound lies between two codes, nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, insert_after, is_op, rewire, sole_consumer, value_names
from ..quantize.decision import decided_nodes

__all__ = ["PartClamps"]


@dataclass(frozen=True, kw_only=True)
class PartClamps(Pass):
    """Quantize what an integer kernel hands to a clamp."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        done = [node for node, _ in tuple(decided_nodes(graph)) if _try_part(graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_part(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    between = []
    value, reader = node.outputs[0], sole_consumer(node.outputs[0])
    while reader is not None and is_op(reader, "Relu", "Clip", "Min") and reader.graph is graph:
        between.append(value)
        value, reader = reader.outputs[0], sole_consumer(reader.outputs[0])
    if reader is None or not between or not is_op(reader, "QuantizeLinear"):
        return False
    for each in between:
        _pair(graph, each, reader, taken)
    return True


def _pair(graph: ir.Graph, value: ir.Value, like: ir.Node, taken: set[str]) -> None:
    """Value -> Q -> DQ -> its reader, with the params of another Q."""
    uses, params = tuple(value.uses()), like.inputs[1:3]
    q = ir.node("QuantizeLinear", [value, *params], name=fresh_name(f"{value.name}_QuantizeLinear", taken))
    stored = q.outputs[0]
    stored.name, stored.type = fresh_name(f"{value.name}_QuantizeLinear_Output", taken), like.outputs[0].type
    dq = ir.node("DequantizeLinear", [stored, *params], name=fresh_name(f"{value.name}_DequantizeLinear", taken))
    result = dq.outputs[0]
    result.name = fresh_name(f"{value.name}_DequantizeLinear_Output", taken)
    result.type, result.shape, stored.shape = value.type, value.shape, value.shape
    insert_after(graph, value, (q, dq))
    rewire(uses, result)
