"""Keep ONNX Runtime from quantizing the weights of nodes that stay float.

Where a Conv, ConvTranspose or Gemm reads a DequantizeLinear, ONNX Runtime takes its float weight for forgotten and
stores it as int8, one scale for all of it, at load (`WeightBiasQuantization`, seen on 1.31.1): a node that was excluded
for its accuracy loses more than before, and a ConvTranspose dequantizes its weight at every inference. It does so only

1. for inputs dequantized with one scale: a convolution reads its own DequantizeLinear, the same scale once per
   channel; over one channel, where that is no difference, (Cast(q) - z) * s instead;
2. for a bias of one axis, or none: that of a Gemm becomes (1, N), zeros where there was none.

Exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_constant, is_op, opset_of, value_names

__all__ = ["KeepFloat"]


@dataclass(frozen=True, kw_only=True)
class KeepFloat(Pass):
    """Write float kernels behind DequantizeLinear in a form whose weights stay as they are."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        if opset_of(model) < 13:  # DequantizeLinear has no axis
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(graph) | {node.name for node in graph if node.name}
        found = [(node, dq) for node in graph if (dq := _dequantized_input(node)) is not None]
        done = [
            node
            for node, dq in found
            if (_try_bias(graph, node, taken) if node.op_type == "Gemm" else _try_channels(graph, node, dq, taken))
        ]
        return ir.passes.PassResult(model, modified=bool(done))


def _dequantized_input(node: ir.Node) -> ir.Node | None:
    """The DequantizeLinear that a float kernel reads, when it has one scale for all."""
    if not is_op(node, "Conv", "ConvTranspose", "Gemm"):
        return None
    x, weight = node.inputs[0], node.inputs[1]
    dq = None if x is None else x.producer()
    if dq is None or not is_op(dq, "DequantizeLinear") or is_constant(dq.inputs[0]):
        return None
    # A weight that is computed at run time is safe; one that is expanded at load is not.
    if weight is None or is_op(weight.producer(), "DequantizeLinear"):
        return None
    scale = constant_array(dq.inputs[1])
    return dq if scale is not None and scale.ndim == 0 else None


def _try_channels(graph: ir.Graph, node: ir.Node, dq: ir.Node, taken: set[str]) -> bool:
    """DQ(q, s, z) -> DQ(q, [s, s, ...], [z, z, ...]) along the channels."""
    weight = node.inputs[1]
    shape = None if weight is None else weight.shape
    axis = 1 if node.op_type == "Conv" else 0
    each = None if shape is None else shape[axis]
    if not isinstance(each, int):
        return False
    channels = each * (node.attributes.get_int("group", 1) if node.op_type == "Conv" else 1)
    scale, zero = constant_array(dq.inputs[1]), constant_array((*dq.inputs, None)[2])
    assert scale is not None
    if zero is None:
        return False
    stored, old = dq.inputs[0], dq.outputs[0]
    new: list[ir.Node] = []

    def add(op: str, operands: list[ir.Value | None], **attributes: int) -> ir.Value:
        made = ir.node(op, operands, attributes, name=fresh_name(f"{node.name}_{op}", taken))
        value = made.outputs[0]
        value.name = fresh_name(f"{node.name}_{op}_Output", taken)
        value.type, value.shape = old.type, old.shape
        new.append(made)
        return value

    def constant(suffix: str, array: np.ndarray) -> ir.Value:
        return add_initializer(graph, fresh_name(f"{node.name}_{suffix}", taken), array)

    if channels > 1:
        scales = constant("scales", np.full(channels, scale))
        result = add("DequantizeLinear", [stored, scales, constant("zero_points", np.full(channels, zero))], axis=1)
    else:
        codes = add("Cast", [stored], to=ir.DataType.FLOAT.value)
        centred = add("Sub", [codes, constant("zero", zero.astype(np.float32))])
        result = add("Mul", [centred, constant("scale", scale)])
    graph.insert_before(node, new)
    node.replace_input_with(0, result)
    if not old.uses() and not old.is_graph_output():
        graph.remove(dq, safe=True)
    return True


def _try_bias(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    """A bias of shape (1, N), which broadcasts as one of shape (N,) does."""
    weight, bias = node.inputs[1], (*node.inputs, None)[2]
    if bias is None:
        shape = None if weight is None else weight.shape
        columns = None if shape is None else shape[0 if node.attributes.get_int("transB", 0) else 1]
        if not isinstance(columns, int):
            return False
        row = np.zeros((1, columns), np.float32)
    else:
        array = constant_array(bias)
        if array is None or array.ndim != 1:
            return False
        row = array.reshape(1, -1)
    value = add_initializer(graph, fresh_name(f"{node.name}_bias", taken), row)
    node.resize_inputs(3)
    node.replace_input_with(2, value)
    return True
