"""Clip(y, low, high) -> Min(Max(y, low), high), Relu(y) -> Max(y, 0), where y is written in float by an integer kernel.

ONNX Runtime's Q/DQ selectors look behind a Relu or Clip for a QuantizeLinear. Where they find another reader, they
give up, and the Gemm or MatMul before it runs in float on dequantized operands (1.31.1). Max and Min they leave
alone. Exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, sole_consumer, value_names
from ..quantize.decision import decided_nodes

__all__ = ["SplitClamps", "write_out"]


@dataclass(frozen=True, kw_only=True)
class SplitClamps(Pass):
    """Make Max and Min of a Relu or Clip that alone reads what an integer kernel writes in float."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        writes_float = [node for node, decision in tuple(decided_nodes(graph)) if decision.output is None]
        done = [node for node in writes_float if self._try_split(graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_split(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        clamp = sole_consumer(node.outputs[0])
        if clamp is None or clamp.graph is not graph or clamp.inputs[0] is not node.outputs[0]:
            return False
        old = clamp.outputs[0]
        if not is_op(clamp, "Relu", "Clip") or old.is_graph_output() or not tuple(old.uses()):
            return False
        write_out(graph, clamp, taken)
        return True


def write_out(graph: ir.Graph, clamp: ir.Node, taken: set[str]) -> None:
    """Replace a Relu or Clip, of this graph or of a body in it, by Max and Min; one without bounds by nothing.

    Args:
        graph: The main graph, which holds the constants.
        clamp: The node; its result is no graph output.
        taken: Names in use; extended.
    """
    old, value = clamp.outputs[0], clamp.inputs[0]
    own = clamp.graph
    assert value is not None
    assert own is not None
    if is_op(clamp, "Relu"):
        zero = add_initializer(graph, fresh_name(f"{clamp.name}_zero", taken), np.asarray(0, np.float32))
        bounds = [("Max", zero)]
    else:
        operands = (*clamp.inputs[1:], None, None)
        bounds = [(op, bound) for op, bound in zip(("Max", "Min"), operands, strict=False) if bound is not None]
    new: list[ir.Node] = []
    for op, bound in bounds:
        made = ir.node(op, [value, bound], name=fresh_name(f"{clamp.name}_{op}", taken))
        value = made.outputs[0]
        value.name, value.type, value.shape = fresh_name(f"{old.name}_{op.lower()}", taken), old.type, old.shape
        new.append(made)
    if not new:
        old.replace_all_uses_with(value)
        own.remove(clamp, safe=True)
    else:
        ir.convenience.replace_nodes_and_values(own, clamp, [clamp], new, [old], [value])
