"""Which nodes read or write numbers that float16 does not hold, as observed on the calibration samples; no edit.

float16 ends at 65504 (IEEE 754-2019): what lies beyond becomes infinite, and 0 * infinity no number. A node stays in
float32 when one of its operands or results comes within `headroom` of that end, since samples show no more than a part
of what there is. What only a Softmax reads, through sums and Where, may sink as low as it likes: exp of it is 0 either
way; so attention masks stay where they are.

Scope: float32 values of the main graph. `ComputeInHalf` asks `beyond_half` of every node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_constant, is_op
from ..observe.statistics import Extremes, Need, Range, observation_of

__all__ = ["FindBeyondHalf", "beyond_half"]

_LARGEST = float(np.finfo(np.float16).max)
_FOUND = "edgec.beyond_half"
# Operators a mask passes through on its way to a Softmax.
_CARRY = ("Add", "Cast", "Expand", "Mul", "Reshape", "Sub", "Tile", "Transpose", "Unsqueeze", "Where")


def beyond_half(node: ir.Node) -> str | None:
    """Why a node cannot compute in float16, as `FindBeyondHalf` found; None where it can, or nobody looked."""
    found = node.meta.get(_FOUND)
    return None if found is None else str(found)


@dataclass(frozen=True, kw_only=True)
class FindBeyondHalf(Pass):
    """Mark nodes whose numbers float16 does not hold.

    Attributes:
        headroom: How much larger than on the samples a number may become.
    """

    headroom: float = 2.0

    def __post_init__(self) -> None:
        if not self.headroom >= 1.0:
            raise ValueError(f"headroom: {self.headroom:g} is below 1")

    @property
    def optional(self) -> bool:
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(Need(value=str(value.name), statistic=Extremes()) for value in _floats(model.graph))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        peaks: dict[ir.Value, float] = {}
        for value in _floats(model.graph):
            observed = observation_of(value, Extremes())
            if isinstance(observed, Range):
                low, high = float(observed.low), float(observed.high)
                peaks[value] = max(high, 0.0) if _sinks(value) else max(high, -low)
        for node in model.graph:
            touched = [value for value in (*node.inputs, *node.outputs) if value in peaks]
            # NaN compares as beyond.
            beyond = [value for value in touched if not peaks[value] * self.headroom <= _LARGEST]
            if beyond and _FOUND not in node.meta:
                worst = max(beyond, key=lambda value: peaks[value])
                node.meta[_FOUND] = (
                    f"{worst.name!r} reaches {peaks[worst]:.6g} on the samples, and float16 ends at 65504"
                )
        return ir.passes.PassResult(model, modified=False)


def _floats(graph: ir.Graph) -> list[ir.Value]:
    """Float32 values that are computed or fed, in order."""
    fed = [value for value in graph.inputs if not value.is_initializer()]
    made = [value for node in graph for value in node.outputs if not is_constant(value)]
    return [value for value in (*fed, *made) if value.dtype == ir.DataType.FLOAT and value.name and value.uses()]


def _sinks(value: ir.Value, depth: int = 8) -> bool:
    """Whether all that is made of a value ends in a Softmax, so that nothing depends on how low it is."""
    readers = [node for node, _ in value.uses()]
    if not readers or value.is_graph_output() or depth == 0:
        return False
    return all(
        is_op(node, "Softmax") or (is_op(node, *_CARRY) and _sinks(node.outputs[0], depth - 1)) for node in readers
    )
