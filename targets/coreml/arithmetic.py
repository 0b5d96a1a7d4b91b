"""Elementwise operators: activation_, unary_, binary_, logical_, where_, clip_, cast_, quick_gelu_op_builder.cc."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import onnx_ir as ir

from ..support import SUPPORTED, Verdict, refused
from .asked import FLOATS, Asked, Builder, dtypes_of, standard_inputs

__all__ = ["ARITHMETIC"]

_CASTS = (ir.DataType.FLOAT, ir.DataType.INT32, ir.DataType.INT64, ir.DataType.BOOL, ir.DataType.FLOAT16)


def _hard_sigmoid(asked: Asked) -> Verdict:
    return dtypes_of(asked, FLOATS)


def _prelu(asked: Asked) -> Verdict:
    x, slope = asked.shape(0), asked.shape(1)
    if x is None or len(x) not in (3, 4):
        return refused(f"PRelu is taken of 3 or 4 dimensions, not {'an unknown number' if x is None else len(x)}")
    if x[-3] is None:
        return refused("the third dimension from the end is not known")
    if not asked.is_constant(1) or slope is None or None in slope:
        return refused("the slope of PRelu is not constant")
    single = prod(dim or 0 for dim in slope) == 1
    per_channel = len(slope) == 3 and slope[1:] == (1, 1)
    if not (single or per_channel):
        return refused("the slope of PRelu is neither one number nor of shape (C, 1, 1)", "store it as (C, 1, 1)")
    if single and x[-3] == 1:
        return refused("CoreML crashes with one slope for one channel", "LeakyRelu with that slope")
    return SUPPORTED


def _pow(asked: Asked) -> Verdict:
    if asked.dtype(0) != asked.dtype(1):
        return refused("base and exponent of Pow have different types", "cast the exponent")
    return standard_inputs(asked)


def _clip(asked: Asked) -> Verdict:
    if asked.since < 11:  # bounds are attributes
        return SUPPORTED
    for index, name in ((1, "min"), (2, "max")):
        if not asked.has(index):
            continue
        if not asked.is_constant(index):
            return refused(f"{name} of Clip is not constant")
        if asked.dtype(index) not in FLOATS:
            return refused(f"{name} of Clip is {_name(asked.dtype(index))}, taken are FLOAT, FLOAT16")
    return SUPPORTED


def _cast(asked: Asked) -> Verdict:
    if asked.options.mlprogram:
        verdict = dtypes_of(asked, _CASTS)
        to = asked.node.outputs[0].dtype
        if verdict.supported and to not in _CASTS:
            names = ", ".join(each.name for each in _CASTS)
            return refused(f"Cast to {_name(to)} is not taken, only to {names}")
        return verdict
    return dtypes_of(asked, (ir.DataType.INT64,))


def _cast_behind_arg_max(asked: Asked) -> Verdict:
    if asked.options.mlprogram:
        return SUPPORTED
    value = asked.node.inputs[0]
    producer = None if value is None else value.producer()
    if producer is None or producer.op_type != "ArgMax":
        return refused("Cast is taken behind ArgMax only in NeuralNetwork format", "MLProgram format")
    if asked.integer("to", 0) != ir.DataType.INT32.value:
        return refused("Cast behind ArgMax is taken to INT32 only in NeuralNetwork format", "MLProgram format")
    return SUPPORTED


def _both_bool(asked: Asked) -> Verdict:
    first = dtypes_of(asked, (ir.DataType.BOOL,), 0)
    return first if not first.supported else dtypes_of(asked, (ir.DataType.BOOL,), 1)


def _where(asked: Asked) -> Verdict:
    condition = dtypes_of(asked, (ir.DataType.BOOL,), 0)
    if not condition.supported:
        return condition
    chosen = dtypes_of(asked, FLOATS, 1)
    if chosen.supported and asked.dtype(2) != asked.dtype(1):
        return refused("X and Y of Where have different types", "cast one of them")
    return chosen


def _name(dtype: ir.DataType | None) -> str:
    return "of no known type" if dtype is None else dtype.name


ARITHMETIC: Mapping[str, Builder] = {
    **dict.fromkeys(("Sigmoid", "Tanh", "Relu", "LeakyRelu"), Builder(least=6)),
    "Gelu": Builder(least=6, neural=False),
    "Elu": Builder(least=6, neural=False),
    "Softplus": Builder(neural=False),
    "HardSigmoid": Builder(takes=_hard_sigmoid, least=6),
    "PRelu": Builder(takes=_prelu, least=6),
    "QuickGelu": Builder(neural=False),
    **dict.fromkeys(("Sqrt", "Reciprocal"), Builder()),
    **dict.fromkeys(("Erf", "Round", "Exp", "Sin", "Cos"), Builder(neural=False)),
    "Ceil": Builder(neural=False, trivial=True),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), Builder(least=7)),
    "Max": Builder(least=7, neural=False),
    "Pow": Builder(inputs=_pow, least=7),
    "Clip": Builder(takes=_clip),
    "Cast": Builder(takes=_cast_behind_arg_max, inputs=_cast, trivial=True),
    "And": Builder(inputs=_both_bool, neural=False),
    "Where": Builder(inputs=_where, neural=False),
}
