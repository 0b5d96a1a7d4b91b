"""DQ -> MaxPool -> Q becomes DQ -> Max(x, lowest) -> MaxPool -> Max(x, lowest) -> Q: float stays float. Exact.

When a session opens, ONNX Runtime carries the Q/DQ beside a MaxPool, Slice, Squeeze or Unsqueeze past it, through
Reshapes and Transposes, too (QDQPropagation, optimization level basic), before providers are asked. The operator makes
a group with them then, and ONNX Runtime's NNAPI provider has no integers for it: group and all go to the CPU. A maximum
with the lowest number is the least operator in their way that no optimization removes (1.31.1).

Scope: float values of the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, rewire, value_names
from ..qdq_reach import CARRIED, reached_from_above, reached_from_below

__all__ = ["HoldApart"]


@dataclass(frozen=True, kw_only=True)
class HoldApart(Pass):
    """Keep Q and DQ from being carried past operators."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        hand = _Hand(model.graph)
        done = [node for node in tuple(model.graph) if is_op(node, *CARRIED) and hand.try_hold(node)]
        return ir.passes.PassResult(model, modified=bool(done))


class _Hand:
    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._taken = value_names(graph) | {node.name for node in graph if node.name}
        self._lowest: ir.Value | None = None

    def try_hold(self, node: ir.Node) -> bool:
        if node.outputs[0].dtype != ir.DataType.FLOAT:
            return False
        above, below = reached_from_above(node), reached_from_below(node)
        x, y = node.inputs[0], node.outputs[0]
        if above and x is not None:
            held = self._hold(x, node)
            self._graph.insert_before(node, held)
            node.replace_input_with(0, held.outputs[0])
        if below:
            uses = tuple(y.uses())
            held = self._hold(y, node)
            self._graph.insert_after(node, held)
            rewire(uses, held.outputs[0])
        return above or below

    def _hold(self, x: ir.Value, node: ir.Node) -> ir.Node:
        if self._lowest is None:
            lowest = np.asarray([np.finfo(np.float32).min])
            self._lowest = add_initializer(self._graph, fresh_name("lowest", self._taken), lowest)
        held = ir.node("Max", [x, self._lowest], name=fresh_name(f"{node.name}_held", self._taken))
        value = held.outputs[0]
        value.name, value.type, value.shape = fresh_name(f"{x.name}_held", self._taken), x.type, x.shape
        return held
