"""Operators on elements: binary, unary, minmax, clip, relu, leakyrelu, elu, cast, identity and softmax op builders."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import Asked, Builder, dtype_name, float_input, ranks
from .quantized import fixed_result, integer_operands, product_types

__all__ = ["POINTWISE"]

_LEVEL_3 = frozenset(("Abs", "Exp", "Neg", "Sin", "Sqrt", "Log"))


def _binary_types(asked: Asked) -> Verdict:
    if asked.unit.grouped or asked.op.startswith("QLinear"):
        return product_types(asked)
    if asked.op == "Pow":
        kinds = [asked.dtype(0), asked.dtype(1)]
        if kinds != [ir.DataType.FLOAT] * 2:
            return refused(f"its operands are {dtype_name(kinds[0])} and {dtype_name(kinds[1])}, taken are float32")
        return SUPPORTED
    return float_input(asked)


def _binary(asked: Asked) -> Verdict:
    found = [len(asked.dims(index)) for index in (0, 1)]
    if max(found) > 4:
        return refused(f"its operands have {found[0]} and {found[1]} dimensions, taken are up to 4", "fewer dimensions")
    return SUPPORTED


def _clip(asked: Asked) -> Verdict:
    bounds = [_bound(asked, index, name) for index, name in ((1, "min"), (2, "max"))]
    if None in bounds:
        return refused("its bounds are not constant float32 numbers", "constant bounds")
    low, high = (float(bound) for bound in bounds if bound is not None)
    if (low, high) in ((0.0, 6.0), (-1.0, 1.0)):
        return SUPPORTED
    mend = "Relu" if low == 0 and high > 3e38 else "Max and Min with constants"
    return refused(f"it clips to [{low:g}, {high:g}], taken are [0, 6] and [-1, 1]", mend)


def _bound(asked: Asked, index: int, name: str) -> float | None:
    """`GetClipMinMax`: of float32 alone; None for one that is not a constant."""
    if asked.since < 11:
        return asked.real(name, float(np.finfo(np.float32).min if index == 1 else np.finfo(np.float32).max))
    if not asked.has(index):
        return float(np.finfo(np.float32).min if index == 1 else np.finfo(np.float32).max)
    array = asked.constant(index)
    return None if array is None or array.dtype != np.float32 or array.size != 1 else float(array.reshape(()))


def _two_inputs(asked: Asked) -> Verdict:
    count = len(asked.inputs)
    return SUPPORTED if count == 2 else refused(f"it has {count} inputs, taken are 2", f"{asked.op} of two at a time")


def _unary_types(asked: Asked) -> Verdict:
    return integer_operands(asked, (0,)) if asked.op == "QLinearSigmoid" else float_input(asked)


def _unary(asked: Asked) -> Verdict:
    if asked.op == "QLinearSigmoid":
        return fixed_result(asked)
    return ranks(asked, 1, 4) if asked.op == "Sigmoid" else SUPPORTED


def _cast(asked: Asked) -> Verdict:
    to = ir.DataType(asked.number("to", 0))
    if to in (ir.DataType.FLOAT, ir.DataType.INT32):
        return SUPPORTED
    return refused(f"it casts to {dtype_name(to)}, taken are float32 and int32")


def _softmax_types(asked: Asked) -> Verdict:
    if not asked.unit.grouped:
        return float_input(asked)
    verdict = integer_operands(asked, (0,))
    return fixed_result(asked) if verdict.supported else verdict


def _softmax(asked: Asked) -> Verdict:
    """Before version 13 the provider makes a matrix of the input itself."""
    if asked.since < 13:
        return SUPPORTED
    rank = len(asked.dims(0))
    if rank > 4:
        return refused(f"its input has {rank} dimensions, taken are up to 4", "fewer dimensions")
    axis = asked.number("axis", 1)
    axis += rank if axis < 0 else 0
    if asked.level < 3 and rank not in (2, 4):
        return refused(f"its input has {rank} dimensions, on feature level {asked.level} 2 or 4 are taken")
    if asked.level < 3 and axis != rank - 1:
        return refused(f"its axis is {axis}, on feature level {asked.level} the last is taken")
    return SUPPORTED


def _binary_level(asked: Asked) -> int:
    return {"Sub": 2, "Div": 2, "Pow": 3, "PRelu": 3}.get(asked.op, 1)


def _unary_level(asked: Asked) -> int:
    return 3 if asked.op in _LEVEL_3 else 1


def _binary_builder(op: str) -> Builder:
    least = 7 if op in ("Add", "Sub", "Mul", "Div", "Pow") else 1
    return Builder(level=_binary_level, grouped=op in ("Add", "Mul"), types=_binary_types, least=least, rule=_binary)


_BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "PRelu", "QLinearAdd", "QLinearMul")
_UNARY = ("Abs", "Exp", "Floor", "Log", "Neg", "Sigmoid", "Sin", "Sqrt", "Tanh")

POINTWISE: Mapping[str, Builder] = {
    **{op: _binary_builder(op) for op in _BINARY},
    **{op: Builder(level=_unary_level, least=6, rule=_unary) for op in _UNARY},
    "QLinearSigmoid": Builder(types=_unary_types, rule=_unary),
    **dict.fromkeys(("Min", "Max"), Builder(level=lambda _: 3, least=6, rule=_two_inputs)),
    "Clip": Builder(rule=_clip),
    "Relu": Builder(),
    "Identity": Builder(),
    "LeakyRelu": Builder(least=6, rule=lambda asked: ranks(asked, 1, 4)),
    "Elu": Builder(level=lambda _: 4, least=6),
    "Cast": Builder(level=lambda _: 3, least=6, rule=_cast),
    "Softmax": Builder(level=lambda _: 2, grouped=True, types=_softmax_types, rule=_softmax),
}
