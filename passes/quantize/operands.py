"""Which inputs of a node are activations, which is its weight and which its bias; or why it stays float."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import onnx_ir as ir

from ..edit import constant_array, is_constant, is_overridable
from ..spec import Derived, OpRule, PerAxis, PerTensor, QuantSpec
from .decision import Decision
from .params import bias_params

__all__ = ["operands_of"]

_BIAS_INPUT = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}


def operands_of(node: ir.Node, rule: OpRule) -> Decision | str:
    """Which inputs are activations, weight and bias; or why the node stays float."""
    bias_at = _BIAS_INPUT.get(node.op_type)
    if rule.role == "carry" or (bias_at is None and node.op_type != "MatMul"):
        return _elementwise_operands(node, rule)
    activation, weight = node.inputs[0], node.inputs[1]
    if weight is None or activation is None:
        return "lacks an operand"
    if is_overridable(weight):
        return f"its weight {weight.name!r} is a graph input, which the caller may replace"
    if is_constant(activation):
        return "its first operand is constant"
    if not is_constant(weight):
        if node.op_type == "MatMul" and rule.weights is None:
            return Decision(rule=rule, activations=(0, 1))
        return f"its weight {weight.name!r} is computed at run time"
    if rule.weights is None:
        return "its weight is constant, which this rule does not cover"
    if _is_unaligned(weight, rule.aligned_inputs):
        return f"reads a number of channels that is no multiple of {rule.aligned_inputs}, which is faster in float"
    products = _products(node, weight)
    if products is not None and products < rule.least_products:
        return f"sums {products} products per element; integers are faster from {rule.least_products} on"
    spec = _with_axis(node, weight, rule.weights)
    if isinstance(spec, str):
        return spec
    bias = _bias_index(node, rule, bias_at)
    if isinstance(bias, str):
        return bias
    derived = None if bias is None else (bias, Derived(from_=(0, 1), fn=bias_params))
    return Decision(rule=rule, activations=(0,), weight=(1, spec), bias=derived)


def _elementwise_operands(node: ir.Node, rule: OpRule) -> Decision | str:
    """Operands of follow and carry nodes; constants are quantized like activations of known range."""
    if rule.role == "carry":
        if is_constant(node.inputs[0]):
            return "its input is constant"
        return Decision(rule=rule, activations=(0,))
    floats = [
        k for k, value in enumerate(node.inputs) if value is not None and value.dtype in (None, ir.DataType.FLOAT)
    ]
    if any(is_overridable(node.inputs[k]) for k in floats):  # type: ignore[arg-type]
        return "an operand is a graph input with a default, which the caller may replace"
    constants = [k for k in floats if is_constant(node.inputs[k])]
    activations = tuple(k for k in floats if k not in constants)
    if not activations:
        return "all its operands are constant"
    if not constants:
        return Decision(rule=rule, activations=activations)
    if rule.weights is None or len(constants) > 1:
        return "a constant operand has no integer form here"
    return Decision(rule=rule, activations=activations, weight=(constants[0], rule.weights))


def _is_unaligned(weight: ir.Value, multiple: int) -> bool:
    """Whether a convolution over more than one pixel reads a number of channels its kernel is slow at."""
    dims = () if weight.shape is None else tuple(weight.shape)
    if len(dims) < 3 or not all(isinstance(dim, int) for dim in dims):
        return False
    # One channel per group is depthwise, which has a kernel of its own.
    return dims[1] != 1 and dims[1] % multiple != 0 and any(size != 1 for size in dims[2:])


def _products(node: ir.Node, weight: ir.Value) -> int | None:
    """Products that are summed for one element of the output; None where the weight's shape does not tell.

    Conv (O, I/g, k...): I/g * |k|. Gemm: the axis that is not the output's. MatMul (..., K, N): K.
    """
    dims = () if weight.shape is None else tuple(weight.shape)
    match node.op_type:
        case "Conv":
            summed = dims[1:]
        case "Gemm":
            summed = dims[1:] if node.attributes.get_int("transB", 0) else dims[:1]
        case "MatMul":
            summed = dims[-2:-1] or dims
        case _:
            return None
    known = [dim for dim in summed if isinstance(dim, int)]
    return prod(known) if summed and len(known) == len(summed) else None


def _with_axis(node: ir.Node, weight: ir.Value, spec: QuantSpec) -> QuantSpec | str:
    """Resolve `PerAxis` to the output-channel axis of this operand: Conv 0, ConvTranspose 1, MatMul last."""
    if not isinstance(spec.granularity, PerAxis):
        return spec
    rank = 0 if weight.shape is None else len(weight.shape)
    match node.op_type:
        case "Conv":
            axis = 0
        case "ConvTranspose":
            if node.attributes.get_int("group", 1) != 1:
                return replace(spec, granularity=PerTensor())
            axis = 1
        case "Gemm":
            axis = 0 if node.attributes.get_int("transB", 0) else 1
        case _:
            if rank != 2:
                # ONNX Runtime's per-column kernels take a matrix; batched constants share one scale.
                return replace(spec, granularity=PerTensor())
            axis = 1
    return replace(spec, granularity=PerAxis(axis=axis))


def _bias_index(node: ir.Node, rule: OpRule, bias_at: int | None) -> int | str | None:
    if bias_at is None or not rule.bias or len(node.inputs) <= bias_at:
        return None
    bias = node.inputs[bias_at]
    if bias is None:
        return None
    if not is_constant(bias):
        return f"its bias {bias.name!r} is not constant"
    if node.op_type == "Gemm":
        array = constant_array(bias)
        shape = () if array is None else array.shape
        if len(shape) != 1 and not (len(shape) == 2 and shape[0] == 1):
            return f"its bias has shape {shape}, not one value per column"
    return bias_at
