"""Conv(x, W, b) on a 1 x 1 image -> Gemm on (N, C): the classifier head of many mobile nets.

A QLinearConv must write integers; QGemm writes float, so the logits are not rounded to 256 steps.
Exact: on one pixel a 1 x 1 convolution is a matrix product.

    x (N, C, 1, 1) -> Flatten -> Gemm(W (O, C), transB=1, b) -> Reshape (-1, O, 1, 1)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, value_names
from ..scope import made_from

__all__ = ["PointwiseConvToGemm"]


@dataclass(frozen=True, kw_only=True)
class PointwiseConvToGemm(Pass):
    """Make a Gemm of a 1 x 1 Conv whose input is known to be one pixel."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [node for node in model.graph if is_op(node, "Conv") and self._try_rewrite(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        x, weight = node.inputs[0], node.inputs[1]
        w = constant_array(weight)
        if x is None or weight is None or w is None or x.shape is None or x.dtype != ir.DataType.FLOAT:
            return False
        if any(size != 1 for size in w.shape[2:]) or any(dim != 1 for dim in x.shape[2:]):
            return False
        if node.attributes.get_int("group", 1) != 1 or any(node.attributes.get_ints("pads", ())):
            return False
        outputs = w.shape[0]
        matrix = add_initializer(graph, fresh_name(f"{weight.name}_matrix", taken), w.reshape(outputs, -1))
        flatten = ir.node("Flatten", [x], {"axis": 1}, name=fresh_name(f"{node.name}_flatten", taken))
        flatten.outputs[0].name = fresh_name(f"{node.name}_flat", taken)
        flatten.outputs[0].type, flatten.outputs[0].shape = x.type, ir.Shape([x.shape[0], w.shape[1]])
        gemm = ir.node("Gemm", [flatten.outputs[0], matrix, *node.inputs[2:]], {"transB": 1}, name=node.name)
        made_from(gemm, node)
        gemm.outputs[0].name = fresh_name(f"{node.outputs[0].name}_gemm", taken)
        gemm.outputs[0].type, gemm.outputs[0].shape = x.type, ir.Shape([x.shape[0], outputs])
        pixel = np.asarray([-1, outputs, *[1] * (w.ndim - 2)], np.int64)
        target = add_initializer(graph, fresh_name(f"{node.name}_pixel", taken), pixel)
        reshape = ir.node("Reshape", [gemm.outputs[0], target], name=fresh_name(f"{node.name}_unflatten", taken))
        old = node.outputs[0]
        reshape.outputs[0].type, reshape.outputs[0].shape = old.type, old.shape
        new = [flatten, gemm, reshape]
        ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], reshape.outputs)
        return True
