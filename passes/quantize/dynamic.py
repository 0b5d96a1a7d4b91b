"""MatMul(x, W) -> DynamicQuantizeLinear(x), MatMulInteger with int8 W, Cast, Mul: ranges taken at run time.

    y ≈ s_x * s_w * sum_k (q_x - z_x) q_w        u8 activations, s8 weights per output column

Needs no calibration data. ONNX Runtime fuses the chain to DynamicQuantizeMatMul at load (1.31.1).
Conv is not rewritten: its dynamic form, ConvInteger, is slower than float there.

1. MatMul with a constant (K, N) weight.
2. Gemm with alpha = beta = 1: the bias is added in float behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_constant, is_op, skip, sole_consumer, value_names
from ..scope import matches, out_of_scope
from ..spec import PerAxis, PerTensor, QuantSpec
from .params import of_tensor, quantize

__all__ = ["DynamicQuantization"]


@dataclass(frozen=True, kw_only=True)
class DynamicQuantization(Pass):
    """Run constant-weight MatMul and Gemm on integers with activation ranges taken at run time.

    Attributes:
        per_channel: A scale per output column, or one per weight.
        reduce_range: 7-bit weights, for kernels that hold sums of two products in 16 bits.
        reduce_range_nodes: Regular expressions over names of the only nodes that get them otherwise.
        exclude_nodes: Regular expressions over node names that stay float.
        exclude_ops: Operator types that stay float.
        only_ops: When not empty, the only operator types that run in integers.
    """

    per_channel: bool = True
    reduce_range: bool = False
    reduce_range_nodes: tuple[str, ...] = ()
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        weights: dict[tuple[ir.Value, bool, bool], tuple[ir.Value, ir.Value, ir.Value]] = {}
        inputs: dict[ir.Value, ir.Node] = {}
        done = []
        for node in model.graph:
            if node.op_type not in ("MatMul", "Gemm") or node.domain not in ("", "ai.onnx"):
                continue
            reason = out_of_scope(
                node, exclude_nodes=self.exclude_nodes, exclude_ops=self.exclude_ops, only_ops=self.only_ops
            )
            if reason is None and self._try_rewrite(model.graph, node, taken, weights, inputs):
                done.append(node)
            elif reason:
                skip(node, reason)
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(
        self,
        graph: ir.Graph,
        node: ir.Node,
        taken: set[str],
        weights: dict[tuple[ir.Value, bool, bool], tuple[ir.Value, ir.Value, ir.Value]],
        inputs: dict[ir.Value, ir.Node],
    ) -> bool:
        x, weight = node.inputs[0], node.inputs[1]
        array = constant_array(weight)
        if x is None or weight is None or array is None or array.ndim != 2 or array.dtype != np.float32:
            skip(node, "its weight is not a constant float32 matrix")
            return False
        scaled = any(node.attributes.get_float(key, 1.0) != 1.0 for key in ("alpha", "beta"))
        if scaled or node.attributes.get_int("transA", 0) != 0:
            skip(node, "scales or transposes its product")
            return False
        if _added_constant_reshapes(node):
            skip(node, "what is added to it changes its shape, and ONNX Runtime would take that for a bias")
            return False
        transposed = bool(node.attributes.get_int("transB", 0))
        reduced = self.reduce_range or matches(node, self.reduce_range_nodes)
        if (weight, transposed, reduced) not in weights:
            columns = array.T if transposed else array
            spec = QuantSpec(
                dtype="int8",
                granularity=PerAxis(axis=1) if self.per_channel else PerTensor(),
                symmetric=True,
                reduce_range=reduced,
            )
            params = of_tensor(spec, columns)
            weights[weight, transposed, reduced] = (
                add_initializer(graph, fresh_name(f"{weight.name}_quantized", taken), quantize(columns, params)),
                add_initializer(graph, fresh_name(f"{weight.name}_scale", taken), params.scale),
                add_initializer(graph, fresh_name(f"{weight.name}_zero_point", taken), params.zero_point),
            )
        codes, scale, zero = weights[weight, transposed, reduced]
        new: list[ir.Node] = []

        def add(
            op: str, operands: list[ir.Value | None], suffix: str, kind: ir.DataType, **attributes: int
        ) -> ir.Value:
            made = ir.node(op, operands, attributes, name=fresh_name(f"{node.name}_{suffix}", taken))
            made.outputs[0].name = fresh_name(f"{node.name}_{suffix}_output", taken)
            made.outputs[0].type = ir.TensorType(kind)
            new.append(made)
            return made.outputs[0]

        if x not in inputs:
            dynamic = ir.node(
                "DynamicQuantizeLinear", [x], num_outputs=3, name=fresh_name(f"{x.name}_QuantizeLinear", taken)
            )
            for output, suffix, kind in zip(
                dynamic.outputs, ("quantized", "scale", "zero_point"), ("UINT8", "FLOAT", "UINT8"), strict=True
            ):
                output.name = fresh_name(f"{x.name}_{suffix}", taken)
                output.type = ir.TensorType(ir.DataType[kind])
            inputs[x] = dynamic
            new.append(dynamic)
        xq, xs, xz = inputs[x].outputs
        product = add("MatMulInteger", [xq, codes, xz, zero], "quant", ir.DataType.INT32)
        as_float = add("Cast", [product], "cast", ir.DataType.FLOAT, to=ir.DataType.FLOAT.value)
        both = add("Mul", [xs, scale], "scales", ir.DataType.FLOAT)
        y = add("Mul", [as_float, both], "scaled", ir.DataType.FLOAT)
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            y = add("Add", [y, node.inputs[2]], "biased", ir.DataType.FLOAT)
        old = node.outputs[0]
        y.type, y.shape = old.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], [y])
        return True


def _added_constant_reshapes(node: ir.Node) -> bool:
    """Whether the Add of a constant behind a product broadcasts the product.

    ONNX Runtime takes any such constant for the bias of DynamicQuantizeMatMul: with more dimensions than the
    product its shape is lost, and beside a product of one column the kernel fails when it runs (1.31.1).
    """
    product, add = node.outputs[0], sole_consumer(node.outputs[0])
    if add is None or not is_op(add, "Add"):
        return False
    other = add.inputs[1] if add.inputs[0] is product else add.inputs[0]
    if other is None or not is_constant(other) or other.shape is None or product.shape is None:
        return False
    mine, theirs = product.shape, other.shape
    return len(theirs) > len(mine) or (len(theirs) > 0 and mine[-1] == 1 and theirs[-1] != 1)
