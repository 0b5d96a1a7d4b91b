"""Conv(x, W, b) in half precision -> Sub(Conv(x, W), -b).

XNNPACK's float16 Conv and ConvTranspose leave the bias out (ONNX Runtime 1.21, 2026-11). An Add would be fused back
into the convolution, a Sub is not. Exact but for one more rounding to float16, before the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_op, rewire, skip, value_names

__all__ = ["PartHalfBiases"]


@dataclass(frozen=True, kw_only=True)
class PartHalfBiases(Pass):
    """Subtract the negative bias of a float16 convolution behind it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        nodes = [node for node in graph if is_op(node, "Conv", "ConvTranspose") and _has_half_bias(node)]
        done = [node for node in nodes if _try_part(graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _has_half_bias(node: ir.Node) -> bool:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return False
    return any(value is not None and value.dtype == ir.DataType.FLOAT16 for value in node.inputs)


def _try_part(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    weight, bias = node.inputs[1:3]
    assert bias is not None
    array = constant_array(bias)
    if array is None or weight is None or weight.shape is None:
        skip(node, "has a float16 bias that is not constant, which XNNPACK's kernel leaves out")
        return False
    y = node.outputs[0]
    column = (-array).reshape(1, -1, *(1,) * (len(weight.shape) - 2))
    negative = add_initializer(graph, fresh_name(f"{bias.name}_negative", taken), column)
    node.resize_inputs(2)
    uses = tuple(y.uses())
    sub = ir.node("Sub", [y, negative], name=fresh_name(f"{node.name}_bias", taken))
    new = sub.outputs[0]
    new.type, new.shape = y.type, y.shape
    insert_after(graph, y, (sub,))
    rewire(uses, new)
    name = str(y.name)
    if y.is_graph_output():
        for index, output in enumerate(graph.outputs):
            if output is y:
                graph.outputs[index] = new
        y.name, new.name = fresh_name(f"{name}_unbiased", taken), name
    else:
        new.name = fresh_name(f"{name}_biased", taken)
    return True
