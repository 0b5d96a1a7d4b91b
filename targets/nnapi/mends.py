"""Rewrites that would bring a unit to the NNAPI provider, where the reason itself names none."""

from __future__ import annotations

from collections.abc import Mapping

from ..units import Unit

__all__ = ["mend"]

_FLOAT: Mapping[str, str] = {
    "GlobalAveragePool": "AveragePool over the whole image with the params of its input",
    "Flatten": "Reshape to a constant shape",
    "Squeeze": "Reshape to a constant shape",
    "Unsqueeze": "Reshape to a constant shape",
    **dict.fromkeys(("MaxPool", "Slice"), "a Max with the lowest number on both sides: it runs in float then"),
}
_UNKNOWN: Mapping[str, str] = {
    "HardSwish": "Add 3, clip to [0, 6], Mul by x and by 1/6",
    "HardSigmoid": "Mul, Add and Clip written out",
    "Gelu": "Mul, Add and Tanh written out",
    "LayerNormalization": "ReduceMean, Sub, Mul, Sqrt and Div written out",
    "ReduceSum": "ReduceMean and a Mul",
    "Sum": "Add of two at a time",
    "Erf": "the Tanh form of Gelu",
    "Where": "Mul and Add with a mask",
    "ConvTranspose": "Resize and Conv, trained so",
}


def mend(unit: Unit) -> str:
    """What would bring it there; "" where nothing is known."""
    op = unit.node.op_type
    if unit.grouped:
        return _FLOAT.get(op, "leave it in float, between floats")
    return _UNKNOWN.get(op, "")
