"""Mean over samples of each one's extremes: what a moving average tends to, whatever the order.

ONNX Runtime's `CalibMovingAverage` takes the same mean. Samples must be run one by one: the extremes of a batch are
those of all its samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .extremes import Ends, add_ends
from .statistics import Extremes, Need, Range

__all__ = ["AveragesProbe", "SumOfExtremes"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SumOfExtremes:
    """Sums over runs of their smallest and largest values, float64, shape () or (channels,), and how many runs."""

    low: np.ndarray
    high: np.ndarray
    runs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AveragesProbe:
    """Outputs the extremes of a run."""

    need: Need
    ends: Ends

    @property
    def needs(self) -> tuple[Need, ...]:
        return (self.need,)

    @classmethod
    def add(cls, model: ir.Model, value: ir.Value, need: Need, statistic: Extremes, prefix: str) -> AveragesProbe:
        """Append the reductions of `value` to the graph, as new graph outputs."""
        return cls(need=need, ends=add_ends(model, value, need, statistic, prefix))

    def seen(self, outputs: Mapping[str, np.ndarray]) -> SumOfExtremes:
        """The extremes of one run."""
        high = outputs[self.ends.high].astype(np.float64)
        low = np.full_like(high, self.ends.floor) if self.ends.low is None else outputs[self.ends.low]
        return SumOfExtremes(low=low.astype(np.float64), high=high, runs=1)

    def merge(self, left: SumOfExtremes, right: SumOfExtremes) -> SumOfExtremes:
        """The sums of both."""
        return SumOfExtremes(low=left.low + right.low, high=left.high + right.high, runs=left.runs + right.runs)

    def alike(self, left: SumOfExtremes, right: SumOfExtremes) -> bool:
        """Whether both are of as many runs: a batch of several samples shows the extremes of one."""
        return left.runs == right.runs

    def read(self, total: SumOfExtremes) -> list[Range]:
        """The mean over all runs."""
        low, high = total.low / total.runs, total.high / total.runs
        return [Range(low=np.asarray(low, np.float32), high=np.asarray(high, np.float32))]
