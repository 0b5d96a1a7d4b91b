"""Q(Pad(DQ(q), 0)) -> Pad(q, z): pad the stored integers with the zero point.

Exact: 0 is stored as the zero point. ONNX Runtime's Pad kernel takes uint8 and int8, but none of its
Q/DQ rules covers Pad (1.31.1), so it would run in float between two conversions.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import opset_of, sole_consumer
from ..quantize.decision import decided_nodes

__all__ = ["PadIntegers"]


@dataclass(frozen=True, kw_only=True)
class PadIntegers(Pass):
    """Run Pad on integers where both sides share their params."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < 13:
            return ir.passes.PassResult(model, modified=False)
        found = [node for node, _ in tuple(decided_nodes(model.graph)) if node.op_type == "Pad"]
        done = [node for node in found if self._try_lower(model.graph, node)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_lower(self, graph: ir.Graph, node: ir.Node) -> bool:
        dq = node.inputs[0].producer() if node.inputs[0] is not None else None
        q = sole_consumer(node.outputs[0])
        if dq is None or q is None or dq.op_type != "DequantizeLinear" or q.op_type != "QuantizeLinear":
            return False
        if dq.inputs[1:3] != q.inputs[1:3]:
            return False
        stored, zero = dq.inputs[0], dq.inputs[2]
        assert stored is not None
        assert zero is not None
        if stored.dtype not in (ir.DataType.UINT8, ir.DataType.INT8):
            return False
        axes = node.inputs[3:4]
        pad = ir.node("Pad", [stored, node.inputs[1], zero, *axes], node.attributes.copy(), name=node.name)
        result, old = pad.outputs[0], q.outputs[0]
        result.name, result.type, result.shape = old.name, old.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, q, [node, q], [pad], [old], [result])
        return True
