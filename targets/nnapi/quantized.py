"""Which integers the NNAPI provider takes: `IsQuantizedIOSupported` and its kin in op_builder_helpers.cc, helper.cc."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ...passes.edit import constant_array
from ..support import SUPPORTED, Verdict, refused
from ..units import Operand, dims_of
from .asked import Asked, dtype_name

__all__ = ["FAILS", "fixed_result", "float_or_u8", "integer_operands", "params_of", "product_types"]

# Conditions under which `IsOpSupported` says yes and the builder, or an ORT_ENFORCE, no.
FAILS = "the provider takes the group and fails to build it, so that no session opens"
_ONE_SCALE = "one scale for the weights"
_U8 = "uint8 activations"
_WEIGHTS = (ir.DataType.UINT8, ir.DataType.INT8)
_PRODUCTS = ("Conv", "Gemm", "MatMul", "QLinearConv", "QLinearMatMul")


def product_types(asked: Asked) -> Verdict:
    """`HasValidBinaryOpQuantizedInputTypes`, then every operand: u8 x u8, and u8 x s8 weights of products."""
    first, second = asked.dtype(0), asked.dtype(1)
    if first != ir.DataType.UINT8:
        return refused(f"its activations are {dtype_name(first)}, taken are uint8", _U8)
    if asked.op in _PRODUCTS and second not in _WEIGHTS:
        return refused(f"its weights are {dtype_name(second)}, taken are uint8 and int8")
    if asked.op not in _PRODUCTS and second != first:
        return refused(f"its second operand is {dtype_name(second)}, taken is uint8 as the first")
    return integer_operands(asked, (0, 1))


def integer_operands(asked: Asked, inputs: Sequence[int], *, results: bool = True) -> Verdict:
    """Ask of operands: u8 with one constant scale and zero point; of int8 weights a scale per output channel, too."""
    for index in inputs:
        operand = asked.inputs[index] if index < len(asked.inputs) else None
        if operand is None:
            return refused(f"it has no input {index}")
        weight = index == 1 and asked.op in _PRODUCTS and operand.value.dtype == ir.DataType.INT8
        if not (verdict := _operand(asked, operand, weight=weight)).supported:
            return verdict
    return _operand(asked, asked.outputs[0], weight=False) if results else SUPPORTED


def fixed_result(asked: Asked) -> Verdict:
    """`HasRequiredScaleAndZeroPoint`: the result has scale 1/256 and zero point 0."""
    scale, zero_point = params_of(asked.outputs[0])
    if scale == np.float32(1 / 256) and zero_point == 0:
        return SUPPORTED
    return refused(
        f"its result has scale {float(scale):.6g} and zero point {int(zero_point)}, taken are 1/256 and 0",
        "scale 1/256 and zero point 0 behind it",
    )


def float_or_u8(asked: Asked) -> Verdict:
    """What operators that move elements ask: float, or uint8."""
    kind = asked.dtype(0)
    if kind in (ir.DataType.FLOAT, ir.DataType.UINT8):
        return SUPPORTED
    return refused(f"its input is {dtype_name(kind)}, taken are float32 and uint8")


def params_of(operand: Operand) -> tuple[np.float32, int]:
    """The first scale and zero point of an operand whose params are constant; zero point 0 where it has none."""
    scale, zero_point = constant_array(operand.scale), constant_array(operand.zero_point)
    assert scale is not None, "its params were seen to be constant"
    return np.float32(scale.reshape(-1)[0]), 0 if zero_point is None else int(zero_point.reshape(-1)[0])


def _operand(asked: Asked, operand: Operand, *, weight: bool) -> Verdict:
    kind = operand.value.dtype
    if not operand.quantized:
        return refused(f"{operand.value.name!r} has no Q/DQ: {FAILS}", "a quantized result")
    if kind != ir.DataType.UINT8 and not (weight and kind == ir.DataType.INT8):
        return refused(f"{operand.value.name!r} is {dtype_name(kind)}, taken is uint8", _U8)
    scale, zero_point = constant_array(operand.scale), constant_array(operand.zero_point)
    if scale is None:
        return refused(f"the scale of {operand.value.name!r} is not constant")
    if operand.zero_point is not None and zero_point is None:
        return refused(f"the zero point of {operand.value.name!r} is not constant")
    scales = scale.shape[0] if scale.ndim else 1
    zeros = 1 if zero_point is None or not zero_point.ndim else zero_point.shape[0]
    if weight:
        return _weight(asked, operand, scales, zeros, zero_point)
    if scales != 1 or zeros != 1:
        return refused(f"{operand.value.name!r} has a scale per channel, which only int8 weights may have")
    return SUPPORTED


def _weight(asked: Asked, operand: Operand, scales: int, zeros: int, zero_point: np.ndarray | None) -> Verdict:
    """int8 weights: zero point 0, one scale, or one for each index of the first dimension (from feature level 3)."""
    first = (dims_of(operand.value) or (0,))[0]
    if scales != 1:
        if asked.op in ("MatMul", "QLinearMatMul"):
            return refused("its weights have a scale per column, taken is one", _ONE_SCALE)
        if asked.level < 3:
            return refused(f"a scale per channel needs feature level 3, the device has {asked.level}")
        if scales != first:
            return refused(f"its weights have {scales} scales for a first dimension of {first}", _ONE_SCALE)
        if asked.op == "Gemm":
            return refused(f"its weights have a scale per row, FULLY_CONNECTED has one: {FAILS}", _ONE_SCALE)
    if zero_point is None:
        return SUPPORTED
    if zero_point.dtype != np.int8:
        return refused(f"the zero point of its int8 weights is {zero_point.dtype}")
    if zeros not in (1, first):
        return refused(f"its weights have {zeros} zero points for a first dimension of {first}")
    if zero_point.any():
        return refused("its int8 weights have zero points other than 0", "symmetric weights")
    return SUPPORTED
