"""DQ(w4, s) -> DQ(w4, DQ(codes, S)): scales of blocks as codes of 4 bits times one scale per column. Exact.

    s (K/b, N) float32  ->  codes (K/b, N) u8, S (N,) float32

That is how ONNX Runtime's QNN provider knows low-power block quantization (microsoft/onnxruntime,
qnn_node_group/lpbqmatmul_fusion.cc): the scale of the weight's DQ comes from another DQ along axis 1. With plain scales
it multiplies in fp16 instead, and ONNX Runtime's CPU makes a QLinearMatMul of u8 and blocks that fails when it runs
(1.31.1); with these it computes in floats. Left alone: scales that are no such products to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, value_names
from ..quantize.block_codes import parts_of

__all__ = ["PartScales"]


@dataclass(frozen=True, kw_only=True)
class PartScales(Pass):
    """Store the scales of int4 matrices in blocks as codes and a scale per column."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        found = [node for node in model.graph if is_op(node, "DequantizeLinear") and _in_blocks(node)]
        done = [node for node in found if _try_part(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _in_blocks(node: ir.Node) -> bool:
    """Whether it reads an int4 matrix in blocks of rows."""
    codes = node.inputs[0]
    if codes is None or codes.dtype != ir.DataType.INT4 or codes.shape is None or len(codes.shape) != 2:
        return False
    return node.attributes.get_int("block_size", 0) > 0 and node.attributes.get_int("axis", 1) in (0, -2)


def _try_part(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    scale = node.inputs[1]
    array = constant_array(scale)
    parts = None if array is None or array.ndim != 2 or array.dtype != np.float32 else parts_of(array)
    if scale is None or parts is None:
        return False
    codes, channel = parts
    inputs = (
        add_initializer(graph, fresh_name(f"{scale.name}_codes", taken), codes),
        add_initializer(graph, fresh_name(f"{scale.name}_channel", taken), channel),
        add_initializer(graph, fresh_name(f"{scale.name}_zero_point", taken), np.zeros(channel.shape, np.uint8)),
    )
    dq = ir.node("DequantizeLinear", inputs, {"axis": 1}, name=fresh_name(f"{scale.name}_DequantizeLinear", taken))
    dq.outputs[0].name = fresh_name(f"{scale.name}_DequantizeLinear_Output", taken)
    dq.outputs[0].type, dq.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(codes.shape)
    graph.insert_before(node, dq)
    node.replace_input_with(1, dq.outputs[0])
    return True
