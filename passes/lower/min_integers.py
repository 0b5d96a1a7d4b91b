"""Q(Min(y, c)) -> Min(Q(y), Q(c)): cut stored integers off where their channel ends.

Exact: rounding keeps order. Where all of Q(c) is the largest code, saturation does the same and the Min goes.
ONNX Runtime's CPU provider knows an integer kernel by the Q right behind it, and its Min takes uint8 and int8 from
opset 12 on (1.31.1); layouts move through it. It costs 10 us of 100 (256 channels, 14 x 14) to 80 us of 120
(32 channels, 112 x 112) beside the Conv before it (Zen 4, one thread, 2026-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, opset_of, rewire, skip, sole_consumer, value_names
from ..quantize.decision import decided_nodes, params_of, set_params
from ..quantize.params import quantize

__all__ = ["MinIntegers"]


@dataclass(frozen=True, kw_only=True)
class MinIntegers(Pass):
    """Run the Min behind an integer kernel on what the kernel stores."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < 12:
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        found = [decision.ceiling for _, decision in tuple(decided_nodes(model.graph)) if decision.ceiling is not None]
        done = [node for node in found if node.graph is not None and self._try_swap(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_swap(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        q = sole_consumer(node.outputs[0])
        params = params_of(node.outputs[0])
        if params is None or q is None or q.op_type != "QuantizeLinear" or params.scale.ndim:
            return False
        if params.spec.onnx_dtype not in (ir.DataType.UINT8, ir.DataType.INT8):
            skip(node, f"has no kernel for {params.spec.dtype}")
            return False
        index = 0 if constant_array(node.inputs[1]) is not None else 1
        y, c = node.inputs[index], node.inputs[1 - index]
        bound = constant_array(c)
        assert y is not None
        assert c is not None
        assert bound is not None
        stored = q.outputs[0]
        q.replace_input_with(0, y)
        set_params(y, params)
        graph.remove(node, safe=True)
        codes = quantize(bound, params)
        if np.all(codes == params.spec.qmax):
            return True
        uses = tuple(stored.uses())
        ceiling = add_initializer(graph, fresh_name(f"{c.name}_quantized", taken), codes, params.spec.onnx_dtype)
        lowest = ir.node("Min", [stored, ceiling], name=node.name)
        result = lowest.outputs[0]
        result.name, result.type, result.shape = fresh_name(f"{stored.name}_min", taken), stored.type, stored.shape
        graph.insert_after(q, lowest)
        rewire(uses, result)
        return True
