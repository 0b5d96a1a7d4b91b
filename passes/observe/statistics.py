"""What passes ask to know about a value, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..spec import Granularity

__all__ = ["Need", "Range", "observation_of", "set_observation"]

_OBSERVED = "edgec.observed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Ask for the range of a value.

    Attributes:
        value: Name of the value.
        granularity: `PerTensor` or `PerAxis`.
        floor: A lower bound known from the graph (0 behind Relu); the minimum is then not measured.
    """

    value: str
    granularity: Granularity
    floor: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Range:
    """Smallest and largest value seen over all samples; float32, shape () or (channels,)."""

    low: np.ndarray
    high: np.ndarray

    def merge(self, other: Range) -> Range:
        """The range that holds both."""
        return Range(low=np.minimum(self.low, other.low), high=np.maximum(self.high, other.high))


def observation_of(value: ir.Value) -> Range | None:
    """What was measured of a value, or None."""
    return value.meta.get(_OBSERVED)


def set_observation(value: ir.Value, observed: Range | None) -> None:
    """Remember what was measured; None forgets it."""
    if observed is None:
        value.meta.pop(_OBSERVED, None)
    else:
        value.meta[_OBSERVED] = observed
