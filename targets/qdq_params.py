"""Questions about the params of Q and DQ nodes, as ONNX Runtime asks them (qdq_util.cc, microsoft/onnxruntime)."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..passes.edit import constant_array

__all__ = ["is_superfluous", "same_params", "stored_dtype"]

_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535)}


def stored_dtype(node: ir.Node) -> ir.DataType | None:
    """The integer type that a DequantizeLinear reads or a QuantizeLinear writes."""
    value = node.outputs[0] if node.op_type == "QuantizeLinear" else node.inputs[0]
    zero_point = node.inputs[2] if len(node.inputs) > 2 else None
    if value is not None and value.dtype is not None:
        return value.dtype
    return None if zero_point is None else zero_point.dtype


def same_params(quantize: ir.Node, dequantize: ir.Node) -> bool:
    """`IsQDQPairSupported`: both have a constant scalar scale and zero point, and they are equal."""
    pairs = []
    for index in (1, 2):
        arrays = [_scalar(each, index) for each in (quantize, dequantize)]
        if arrays[0] is None or arrays[1] is None or arrays[0].dtype != arrays[1].dtype:
            return False
        pairs.append(arrays[0].item() == arrays[1].item())
    return all(pairs)


def is_superfluous(clamp: ir.Node, quantize: ir.Node) -> bool:
    """`IsClipMadeRedundantByQ`: the range of the Q behind a clamp ends where the clamp's does, or within."""
    scale = constant_array(quantize.inputs[1])
    if scale is None or scale.ndim or scale.dtype != np.float32:
        return False
    zero = constant_array(quantize.inputs[2]) if len(quantize.inputs) > 2 else np.uint8(0)
    if zero is None or zero.ndim or zero.dtype.name not in _RANGES:
        return False
    low, high = _RANGES[zero.dtype.name]
    if clamp.op_type == "Relu":
        return int(zero) == low
    bounds = _bounds(clamp)
    if bounds is None:
        return False
    least, most = (np.rint(np.float64(bound) / np.float64(scale)) + int(zero) for bound in bounds)
    return bool(least <= low and most >= high)


def _bounds(clamp: ir.Node) -> tuple[float, float] | None:
    """Of a Clip; None where one is not a constant."""
    found = [float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)]
    for index, name in ((1, "min"), (2, "max")):
        if name in clamp.attributes:
            found[index - 1] = clamp.attributes.get_float(name)
        elif len(clamp.inputs) > index and clamp.inputs[index] is not None:
            array = constant_array(clamp.inputs[index])
            if array is None or array.size != 1:
                return None
            found[index - 1] = float(array.reshape(()))
    return found[0], found[1]


def _scalar(node: ir.Node, index: int) -> np.ndarray | None:
    array = constant_array(node.inputs[index]) if len(node.inputs) > index else None
    return array if array is not None and array.shape in ((), (1,)) else None
