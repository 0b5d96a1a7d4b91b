"""Gemm<transB = 1>(x, W, b) -> Gemm<transB = 0>(x, W', b), where W is constant. Exact.

ONNX Runtime's NNAPI provider takes a group of Q/DQ with int8 weights whether B is transposed or not, and fails to build
the first (microsoft/onnxruntime 3149122, gemm_op_builder.cc: B is skipped only where the builder transposes it itself,
and model_builder.cc knows no int8), so that no session opens. A weight that several Gemms read is transposed once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, value_names

__all__ = ["PlainGemms"]


@dataclass(frozen=True, kw_only=True)
class PlainGemms(Pass):
    """Store the weights of every Gemm in the main graph as (inputs, outputs)."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        made: dict[ir.Value, ir.Value] = {}
        taken = value_names(model.graph)
        done = [node for node in model.graph if is_op(node, "Gemm") and _try_store(model.graph, node, made, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_store(graph: ir.Graph, node: ir.Node, made: dict[ir.Value, ir.Value], taken: set[str]) -> bool:
    weight = node.inputs[1]
    array = constant_array(weight) if node.attributes.get_int("transB", 0) else None
    if weight is None or array is None or array.ndim != 2:
        return False
    if weight not in made:
        name = fresh_name(f"{weight.name}_transposed", taken)
        made[weight] = add_initializer(graph, name, np.ascontiguousarray(array.T), weight.dtype)
    node.replace_input_with(1, made[weight])
    node.attributes["transB"] = ir.AttrInt64("transB", 0)
    return True
