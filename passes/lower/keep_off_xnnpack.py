"""Write Gemm and linear Resize in forms that ONNX Runtime's XNNPACK provider leaves to the CPU provider. Exact.

Its float kernels of both are not to be used (1.21, 2026-11, each form run against the CPU provider):

1. Gemm(A, B, C) of a constant B computes one row where the number of rows is not known before it runs, is wrong with
   `transA`, and without a vector of biases it ends the process when the session is created. XNNPACK takes only
   beta = 1:

       Gemm(A, B, C) -> Gemm(A, B, 2 C, beta = 1/2)

   Doubling and halving change no digit. Without C, beta multiplies nothing. A B that is computed from constants is
   one, too: weights stored in few bits are expanded when the session is created. Where A and B are both dequantized,
   the Gemm is an integer kernel's, and left alone.
   A MatMul of matrices with a bias behind it becomes such a Gemm here, before ONNX Runtime makes one of it.
2. Resize, linear, ends the process where height and width are not known, fails with `sizes` where the batch is not
   known, and fails between DequantizeLinear and QuantizeLinear of one scale. XNNPACK takes only
   extrapolation_value = 0, an attribute that no other mode than tf_crop_and_resize reads:

       Resize(x) -> Resize(x, extrapolation_value = 1)

Scope: the main graph and all bodies; the provider takes nodes of both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_constant, is_op, skip, sole_consumer, value_names

__all__ = ["KeepOffXnnpack"]


# ONNX Runtime computes in float32 what has no kernel of its own type.
_FLOATS = (None, ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


@dataclass(frozen=True, kw_only=True)
class KeepOffXnnpack(Pass):
    """Keep float Gemm and linear Resize on the CPU provider."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        nodes = tuple(model.graph.all_nodes())
        made = [gemm for node in nodes if (gemm := _fused(node)) is not None]
        nodes += tuple(made)
        done = [node for node in nodes if _try_resize(node) or _try_gemm(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_resize(node: ir.Node) -> bool:
    if not is_op(node, "Resize") or node.attributes.get_string("mode", "nearest") != "linear":
        return False
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return False
    if node.attributes.get_float("extrapolation_value", 0.0) != 0.0:
        return False
    node.attributes["extrapolation_value"] = ir.AttrFloat32("extrapolation_value", 1.0)
    return True


def _fused(node: ir.Node) -> ir.Node | None:
    """The Gemm in place of a MatMul and the constant added to it, in the form MatMulAddFusion would take it."""
    if not is_op(node, "MatMul") or any(value is None or len(value.shape or ()) != 2 for value in node.inputs):
        return None
    add = sole_consumer(node.outputs[0])
    if node.outputs[0].dtype not in _FLOATS:
        return None
    if not _is_expanded(node.inputs[1]) or add is None or not is_op(add, "Add") or add.graph is not node.graph:
        return None
    bias = add.inputs[1] if add.inputs[0] is node.outputs[0] else add.inputs[0]
    array = None if bias is None else constant_array(bias)
    weight = node.inputs[1]
    assert weight is not None
    assert weight.shape is not None
    # Wider than the product it would widen it, which a Gemm does not do; higher it would be one bias per row.
    if (
        array is None
        or array.ndim > 2
        or array.size not in (1, weight.shape[1])
        or array.shape[-1:] not in ((), (array.size,))
    ):
        return None
    gemm = ir.node("Gemm", [*node.inputs, bias], name=node.name)
    old, new = add.outputs[0], gemm.outputs[0]
    new.name, new.type, new.shape = old.name, old.type, old.shape
    own = node.graph
    assert own is not None
    ir.convenience.replace_nodes_and_values(own, add, [node, add], [gemm], [old], [new])
    return gemm


def _try_gemm(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    if not is_op(node, "Gemm") or any(node.attributes.get_float(name, 1.0) != 1.0 for name in ("alpha", "beta")):
        return False
    a, b = node.inputs[:2]
    c = node.inputs[2] if len(node.inputs) > 2 else None
    if a is None or b is None or not _is_expanded(b):
        return False
    if is_op(a.producer(), "DequantizeLinear") and is_op(b.producer(), "DequantizeLinear"):
        return False  # an integer kernel
    if c is not None:
        bias = constant_array(c)
        if bias is None or bias.dtype.kind in "iu":
            return False
        with np.errstate(over="ignore"):
            doubled = bias * bias.dtype.type(2)
        if not np.isfinite(doubled).all():
            skip(node, "has a bias that cannot be doubled, and XNNPACK's kernel may take it")
            return False
        node.replace_input_with(2, add_initializer(graph, fresh_name(f"{c.name}_doubled", taken), doubled))
    node.attributes["beta"] = ir.AttrFloat32("beta", 0.5)
    return True


def _is_expanded(value: ir.Value | None, depth: int = 4) -> bool:
    """Whether a value is constant, or computed from constants alone, as a weight stored in few bits is."""
    if value is None or is_constant(value):
        return True
    node = value.producer()
    return depth > 0 and node is not None and all(_is_expanded(each, depth - 1) for each in node.inputs)
