"""Convolutions and products of matrices: conv_op_builder.cc, gemm_op_builder.cc."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import Asked, Builder, float_input
from .quantized import FAILS, product_types

__all__ = ["PRODUCTS"]

_CONSTANT = "fold what computes it"


def _is_quantized(asked: Asked) -> bool:
    return asked.unit.grouped or asked.op.startswith("QLinear")


def _types(asked: Asked) -> Verdict:
    return product_types(asked) if _is_quantized(asked) else float_input(asked)


def _conv(asked: Asked) -> Verdict:
    if asked.unit.node.domain == "com.microsoft":
        return refused("QLinearConv of com.microsoft is not taken")
    if not asked.is_constant(1):
        return refused("its weight is no constant initializer", _CONSTANT)
    weight = asked.dims(1)
    if len(weight) != 4:
        return refused(f"its weight has {len(weight)} dimensions, taken are convolutions over images (4)", _TWO_D)
    if asked.numbers("dilations", (1, 1)) != (1, 1):
        if asked.number("group", 1) != 1 and weight[1] != 1:
            return refused("it has groups and dilations, of which NNAPI takes one alone")
        if asked.level < 3:
            return refused(f"dilations need feature level 3, the device has {asked.level}")
    if _is_quantized(asked) and asked.has(2) and not asked.is_constant(2):
        return refused("its bias is no constant initializer", _CONSTANT)
    return SUPPORTED


_TWO_D = "a convolution over images of height 1"


def _gemm(asked: Asked) -> Verdict:
    if _is_batched(asked):
        return SUPPORTED
    for index, name in enumerate("AB"):
        if len(asked.dims(index)) != 2:
            shape = list(asked.dims(index))
            return refused(f"{name} is {shape}, taken are matrices, and float batches alike on both sides", _FLAT)
    if asked.op == "Gemm":
        return _of_gemm(asked)
    if not asked.is_constant(1):
        return refused("B is no constant initializer", "float MatMul of 3 dimensions")
    return SUPPORTED


_FLAT = "Reshape to a matrix, Gemm, Reshape back"


def _is_batched(asked: Asked) -> bool:
    """`IsSupportedBatchMatMul`: a float MatMul whose leading dimensions are equal, three dimensions or more."""
    a, b = asked.dims(0), asked.dims(1)
    return (
        asked.op == "MatMul"
        and not asked.unit.grouped
        and asked.level >= 3
        and len(a) == len(b) >= 3
        and a[:-2] == b[:-2]
        and asked.dtype(0) == ir.DataType.FLOAT
    )


def _of_gemm(asked: Asked) -> Verdict:
    transposed = asked.number("transB", 0)
    alpha, beta = asked.real("alpha", 1.0), asked.real("beta", 1.0)
    if asked.number("transA", 0) or alpha != 1.0 or beta != 1.0:
        return refused(
            f"transA = {asked.number('transA', 0)}, alpha = {alpha:g}, beta = {beta:g}, taken are 0, 1 and 1",
            "fold the factors into B and C",
        )
    if not transposed and not asked.is_constant(1):
        return refused("B is no constant initializer and not transposed", "transB = 1")
    if asked.has(2) and not (verdict := _bias(asked, asked.dims(1)[0 if transposed else 1])).supported:
        return verdict
    if not asked.unit.grouped:
        return SUPPORTED
    if asked.has(2) and not asked.is_constant(2):
        return refused("its bias is no constant initializer", _CONSTANT)
    if transposed and asked.dtype(1) == ir.DataType.INT8:
        # RegisterInitializers (model_builder.cc) knows no int8, and skips B only where it transposes it.
        return refused(f"B is int8 and transB = 1: {FAILS}", "B stored transposed, transB = 0")
    return SUPPORTED


def _bias(asked: Asked, columns: int) -> Verdict:
    """`GetGemmBiasSize`: one value per column."""
    shape = asked.dims(2)
    if not shape:
        return refused("C is a scalar, taken is one value per column", "C repeated for every column")
    if len(shape) != 1 and asked.level < 2:
        return refused(f"C is {list(shape)}, on feature level {asked.level} a vector is taken")
    if any(size != 1 for size in shape[:-1]) or shape[-1] != columns:
        return refused(f"C is {list(shape)}, taken is one value for each of {columns} columns", "Add behind the Gemm")
    return SUPPORTED


PRODUCTS: Mapping[str, Builder] = {
    **dict.fromkeys(("Conv", "QLinearConv"), Builder(grouped=True, types=_types, rule=_conv)),
    "Gemm": Builder(grouped=True, types=_types, least=7, rule=_gemm),
    **dict.fromkeys(("MatMul", "QLinearMatMul"), Builder(grouped=True, types=_types, rule=_gemm)),
}
