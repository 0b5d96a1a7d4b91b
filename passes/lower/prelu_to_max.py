"""PRelu(x, a) -> Max(x, a * x), where every slope is at most 1. Exact for finite x.

a * x <= x where x > 0, a * x >= x where x < 0, and rounding keeps order. The other way round where every slope is at
least 1 (Min). Where some are above 1 and some below: Relu(x) + a * Min(x, 0), of which one term is 0.

ONNX Runtime's CPU provider branches on every element of a PRelu (1.31.1); Mul, Max, Relu and Add are vector
instructions. Microseconds with one thread, Zen 4, 2026-11-21 (`tests/benchmarks/slopes.py`); real activations, which
are easier to foretell than random ones, take PRelu about half as long:

====================== ===== === =================
shape                  PRelu Max Relu + a * Min
====================== ===== === =================
16 channels, 1 x 65        3   4                 8
16 channels, 16 x 16       4   6                10
128 channels, 16 x 16     58  15                21
32 channels, 64 x 64     616  44                64
32 channels, 128 x 128  2574 168               256
====================== ===== === =================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, opset_of, skip, value_names

__all__ = ["PReluToMax"]


@dataclass(frozen=True, kw_only=True)
class PReluToMax(Pass):
    """Compute every large PRelu of the main graph without branches.

    Attributes:
        least: Elements from which on it pays.
    """

    least: int

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < 8:  # Max and Min broadcast from opset 8 on
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        found = [node for node in model.graph if is_op(node, "PRelu")]
        done = [node for node in found if self._try_rewrite(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        x, a, y = node.inputs[0], node.inputs[1], node.outputs[0]
        slopes = constant_array(a)
        if x is None or slopes is None or slopes.dtype != np.float32 or not np.isfinite(slopes).all():
            return False
        if _elements(y) < self.least:
            skip(node, f"has fewer than {self.least} elements, which branches cost little")
            return False
        new: list[ir.Node] = []

        def add(op: str, operands: list[ir.Value | None], suffix: str) -> ir.Value:
            made = ir.node(op, operands, name=node.name)
            value = made.outputs[0]
            value.type, value.shape = y.type, y.shape
            if suffix:
                made.name = value.name = fresh_name(f"{y.name}_{suffix}", taken)
            new.append(made)
            return value

        if (slopes <= 1).all():
            result = add("Max", [x, add("Mul", [x, a], "sloped")], "")
        elif (slopes >= 1).all():
            result = add("Min", [x, add("Mul", [x, a], "sloped")], "")
        else:
            zero = add_initializer(graph, fresh_name(f"{y.name}_zero", taken), np.zeros((), np.float32))
            positive = add("Relu", [x], "positive")
            sloped = add("Mul", [add("Min", [x, zero], "negative"), a], "sloped")
            result = add("Add", [positive, sloped], "")
        ir.convenience.replace_nodes_and_values(graph, node, [node], new, [y], [result])
        return True


def _elements(value: ir.Value) -> int:
    """Elements of a value; an unknown dimension counts as 1, an unknown shape as nothing."""
    if value.shape is None:
        return 0
    return int(np.prod([dim if isinstance(dim, int) else 1 for dim in value.shape], dtype=np.int64))
