"""DQ(int4 codes) -> DQ(Cast(codes, int8)): 4 bits in the file, the 8-bit integer kernels when it runs. Exact.

ONNX Runtime's CPU provider has no integer kernel for 4-bit weights of Conv and Gemm; Q/DQ around them would run in
float. It folds the Cast before it looks for Q/DQ patterns, and finds int8 weights (1.31.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_constant, is_op
from .stored import every_name

__all__ = ["WidenCodes"]


@dataclass(frozen=True, kw_only=True)
class WidenCodes(Pass):
    """Hand 4-bit constants to their DequantizeLinear as int8."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        done = [node for node in tuple(model.graph) if self._try_widen(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_widen(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        codes = node.inputs[0] if is_op(node, "DequantizeLinear") else None
        if codes is None or codes.dtype != ir.DataType.INT4 or not is_constant(codes):
            return False
        cast = ir.node("Cast", [codes], {"to": ir.DataType.INT8.value}, name=fresh_name(f"{codes.name}_Cast", taken))
        wide = cast.outputs[0]
        wide.name = fresh_name(f"{codes.name}_int8", taken)
        wide.type, wide.shape = ir.TensorType(ir.DataType.INT8), codes.shape
        insert_after(graph, codes, [cast])
        node.replace_input_with(0, wide)
        zero = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
        if zero is not None:
            name = fresh_name(f"{codes.name}_zero_point", taken)
            node.replace_input_with(2, add_initializer(graph, name, zero.astype(np.int8)))
        return True
