"""Which QuantizeLinear and DequantizeLinear TensorRT takes.

Symmetric alone: zero points are 0, types signed (INT8, INT4 for weights, FP8 E4M3, FP4 E2M1); scales are positive
constants, one for the tensor or, of weights, one per output channel or block. INT32 has no place there, so biases stay
float. Source: onnx-tensorrt, docs/operators.md of TensorRT 10.15; TensorRT 10 documentation, "Working with Quantized
Types" (read 2026-11-21).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...passes.edit import constant_array, is_constant, is_op
from ..support import Verdict, refused
from .tensorrt_operators import OPERATORS

__all__ = ["quantized_refusal"]

_CODES = OPERATORS["DequantizeLinear"]
_WEIGHTS_ALONE = frozenset((ir.DataType.INT4,))
_SYMMETRIC = "Compile for target jetson-orin, whose zero points are all 0"


def quantized_refusal(node: ir.Node) -> Verdict | None:
    """Why TensorRT does not take a Q or DQ; None where it does, and of other operators."""
    if not is_op(node, "QuantizeLinear", "DequantizeLinear"):
        return None
    stored = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    dtype = _code_type(node)
    if dtype is not None and dtype not in _CODES:
        known = ", ".join(sorted(each.name for each in _CODES))
        if dtype == ir.DataType.INT32 and stored is not None and is_constant(stored):
            return refused(f"{node.op_type} of a bias in INT32; TensorRT takes {known}", "Leave the bias in floats")
        return refused(f"{node.op_type} of {dtype}; TensorRT takes {known}", _SYMMETRIC)
    if dtype in _WEIGHTS_ALONE and not (stored is not None and is_constant(stored)):
        return refused(f"{node.op_type} of {dtype} that is no constant: TensorRT has it for weights alone")
    zero_point = node.inputs[2] if len(node.inputs) > 2 else None
    if zero_point is not None:
        zeros = constant_array(zero_point)
        if zeros is None:
            return refused(f"{node.op_type} with a zero point that is no constant")
        if np.any(zeros.astype(np.float32) != 0):
            return refused(f"{node.op_type} with a zero point other than 0", _SYMMETRIC)
    return _scale_refusal(node)


def _scale_refusal(node: ir.Node) -> Verdict | None:
    scale = constant_array(node.inputs[1])
    if scale is None:
        return refused(f"{node.op_type} with a scale that is no constant")
    if not np.all(scale.astype(np.float32) > 0):
        return refused(f"{node.op_type} with a scale that is not positive")
    if scale.size > 1 and not is_constant(node.inputs[0]):
        return refused(f"{node.op_type} of activations with {scale.size} scales: TensorRT has one for a tensor")
    return None


def _code_type(node: ir.Node) -> ir.DataType | None:
    """The type a Q writes or a DQ reads, whether or not shapes and types were inferred."""
    if node.op_type == "DequantizeLinear":
        return None if node.inputs[0] is None else node.inputs[0].dtype
    if node.outputs[0].dtype is not None:
        return node.outputs[0].dtype
    named = node.attributes.get_int("output_dtype", 0)
    if named:
        return ir.DataType(named)
    zero_point = node.inputs[2] if len(node.inputs) > 2 else None
    return ir.DataType.UINT8 if zero_point is None else zero_point.dtype
