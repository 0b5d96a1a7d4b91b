"""Use given ranges for values instead of those that were measured: what a diagnosis or a person knows better.

A Sigmoid's input beyond ±8 changes its output by less than 3.4e-4: quantizing its extremes costs the resolution of
all others and buys nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from ..base import Pass
from ..spec import QuantParams
from .decision import decided_values, params_of, set_params
from .params import from_range

__all__ = ["SetRanges", "read_range"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"(.+)=({_NUMBER}):({_NUMBER})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class SetRanges(Pass):
    """Replace the params of values, and of all that share theirs, by those of a given range.

    Attributes:
        ranges: `NAME=LOW:HIGH`, one per value, named as in the model.
    """

    ranges: tuple[str, ...]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        values = {str(value.name): value for value, _ in decided_values(model.graph)}
        modified = False
        for text in self.ranges:
            name, low, high = read_range(text)
            old = params_of(values[name]) if name in values else None
            if old is None:
                raise ModelError(
                    f"value {name!r}",
                    "carries no activation params, so that no range can be set",
                    remedy="Name a value that is quantized, or leave the range out",
                )
            new = from_range(old.spec, np.asarray(low), np.asarray(high))
            if not _same(old, new):
                for value in values.values():
                    if params_of(value) is old:
                        set_params(value, new)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def read_range(text: str) -> tuple[str, float, float]:
    """Name, low and high of `NAME=LOW:HIGH`.

    Raises:
        ValueError: It is not written so, or low is not below high.
    """
    match = _RANGE.fullmatch(text)
    if match is None or not float(match[2]) < float(match[3]):
        raise ValueError(f"{text!r} is not NAME=LOW:HIGH with LOW below HIGH")
    return match[1], float(match[2]), float(match[3])


def _same(old: QuantParams, new: QuantParams) -> bool:
    return np.array_equal(old.scale, new.scale) and np.array_equal(old.zero_point, new.zero_point)
