"""DQ(codes, s) -> Mul(Cast(codes), s) for constants that float kernels read. Exact.

Where activations have 16 bits, ONNX Runtime's CPU provider computes in float. It would run the DequantizeLinear of
every weight at every inference; the Cast and the Mul it folds at load (1.31.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op
from .stored import every_name

__all__ = ["ExpandDequantized"]


@dataclass(frozen=True, kw_only=True)
class ExpandDequantized(Pass):
    """Let constants be dequantized by Cast and Mul: per tensor or per axis, with zero points of 0."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        done = [node for node in tuple(model.graph) if self._try_expand(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_expand(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        if not is_op(node, "DequantizeLinear") or node.attributes.get_int("block_size", 0) != 0:
            return False
        codes, scale = constant_array(node.inputs[0]), constant_array(node.inputs[1])
        zero = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
        stored = node.inputs[0]
        if stored is None or codes is None or scale is None or (zero is not None and zero.astype(np.int32).any()):
            return False
        old = node.outputs[0]
        if scale.ndim:
            axis = node.attributes.get_int("axis", 1) % codes.ndim
            scale = scale.reshape([-1 if k == axis else 1 for k in range(codes.ndim)])
        name = str(stored.name)
        step = add_initializer(graph, fresh_name(f"{name}_steps", taken), np.ascontiguousarray(scale))
        cast = ir.node("Cast", [stored], {"to": ir.DataType.FLOAT.value}, name=fresh_name(f"{name}_Cast", taken))
        cast.outputs[0].name = fresh_name(f"{name}_codes", taken)
        cast.outputs[0].type, cast.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), old.shape
        mul = ir.node("Mul", [cast.outputs[0], step], name=fresh_name(f"{name}_Mul", taken))
        value = mul.outputs[0]
        value.name, value.type, value.shape = old.name, old.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], [cast, mul], [old], [value])
        return True
