"""Sum(a, b) -> Add(a, b). Exact.

Add has an integer kernel in ONNX Runtime's CPU provider, Sum has none; and a Sum of two behind a Gemm is taken
into that Gemm at load (GemmSumFusion, 1.31.1), which is then float. Old exporters write residuals as Sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op
from ..scope import made_from

__all__ = ["SumToAdd"]


@dataclass(frozen=True, kw_only=True)
class SumToAdd(Pass):
    """Make an Add of every Sum of two values in the main graph."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        done = [node for node in model.graph if is_op(node, "Sum") and self._try_rewrite(model.graph, node)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(self, graph: ir.Graph, node: ir.Node) -> bool:
        if len(node.inputs) != 2:
            return False
        add = ir.node("Add", node.inputs, name=node.name)
        made_from(add, node)
        old, new = node.outputs[0], add.outputs[0]
        new.type, new.shape = old.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], [add], [old], [new])
        return True
