"""Operators of two values or more, element by element, broadcast as NumPy does."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from .together import together

__all__ = ["OPERATORS"]


def _divide(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a, b = together(a, b)
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _power(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a, b = together(a, b)
    if b.numel() == 1 and not b.requires_grad and a.is_floating_point():
        # A whole exponent as a number: x² has a gradient at 0, and is multiplied, not taken the logarithm of.
        return torch.pow(a, b.item()) if a.dim() >= b.dim() else torch.pow(a, b.to(a.dtype))
    return torch.pow(a, b).to(a.dtype)


def _modulo(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a, b = together(a, b)
    return torch.fmod(a, b) if call.get("fmod", 0) else torch.remainder(a, b)


def _slope(call: Call, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, x * slope, x)


def _where(call: Call, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(*together(condition, a, b))


def _shift(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a, b = together(a, b)
    return torch.bitwise_left_shift(a, b) if call.get("direction") == "LEFT" else torch.bitwise_right_shift(a, b)


def _mean(call: Call, *values: Tensor) -> Tensor:
    return reduce(torch.add, together(*values)) / len(values)


def _pair(function: Any) -> Operator:
    def run(call: Call, a: Tensor, b: Tensor) -> Tensor:
        return function(*together(a, b))

    return run


def _many(function: Any) -> Operator:
    def run(call: Call, *values: Tensor) -> Tensor:
        return reduce(function, together(*values))

    return run


OPERATORS: dict[str, Operator] = {
    "Add": _pair(torch.add),
    "And": _pair(torch.logical_and),
    "BitShift": _shift,
    "BitwiseAnd": _pair(torch.bitwise_and),
    "BitwiseOr": _pair(torch.bitwise_or),
    "BitwiseXor": _pair(torch.bitwise_xor),
    "Div": _divide,
    "Equal": _pair(torch.eq),
    "Greater": _pair(torch.gt),
    "GreaterOrEqual": _pair(torch.ge),
    "Less": _pair(torch.lt),
    "LessOrEqual": _pair(torch.le),
    "Max": _many(torch.maximum),
    "Mean": _mean,
    "Min": _many(torch.minimum),
    "Mod": _modulo,
    "Mul": _pair(torch.mul),
    "Or": _pair(torch.logical_or),
    "PRelu": _slope,
    "Pow": _power,
    "Sub": _pair(torch.sub),
    "Sum": _many(torch.add),
    "Where": _where,
    "Xor": _pair(torch.logical_xor),
}
