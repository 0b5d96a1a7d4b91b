"""Mean per index of an axis, of values or of their magnitudes, by a reduction in the graph.

Every run is weighed by its rows, so that samples of different lengths give the mean over all elements:
mean = Σ rows_i mean_i / Σ rows_i, summed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .nodes import emit, publish, rank_of, reduce
from .statistics import Mean, Means, Need

__all__ = ["MeansProbe", "WeightedSum"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WeightedSum:
    """Sum per index, float64, shape (channels,), and how many elements each index had."""

    sum: np.ndarray
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MeansProbe:
    """Outputs the mean of a run and the shape of the value it was taken over."""

    need: Need
    axis: int
    mean: str
    shape: str

    @property
    def needs(self) -> tuple[Need, ...]:
        return (self.need,)

    @classmethod
    def add(cls, model: ir.Model, value: ir.Value, need: Need, statistic: Means, prefix: str) -> MeansProbe:
        """Append a ReduceMean of `value`, and its Shape."""
        rank = rank_of(value, need.value, "a mean per index")
        axis = statistic.axis % rank
        others = [k for k in range(rank) if k != axis]
        averaged = emit(model, "Abs", [value], f"{prefix}_magnitudes") if statistic.magnitudes else value
        mean = publish(model, reduce(model, "Mean", averaged, others, f"{prefix}_mean"), 1)
        shape = publish(model, emit(model, "Shape", [value], f"{prefix}_shape"), 1, ir.DataType.INT64)
        return cls(need=need, axis=axis, mean=mean, shape=shape)

    def seen(self, outputs: Mapping[str, np.ndarray]) -> WeightedSum:
        """The sums of one run."""
        shape = outputs[self.shape]
        rows = int(np.prod(np.delete(shape, self.axis), dtype=np.int64))
        mean = outputs[self.mean].astype(np.float64)
        # The mean of nothing is NaN; it weighs nothing.
        return WeightedSum(sum=mean * rows if rows else np.zeros_like(mean), rows=rows)

    def merge(self, left: WeightedSum, right: WeightedSum) -> WeightedSum:
        """The sums of both."""
        return WeightedSum(sum=left.sum + right.sum, rows=left.rows + right.rows)

    def alike(self, left: WeightedSum, right: WeightedSum) -> bool:
        """Whether as many rows have means that agree to a thousandth of the largest."""
        limit = 1e-3 * np.abs(right.sum).max(initial=0.0) + np.finfo(np.float32).tiny
        return left.rows == right.rows and bool(np.all(np.abs(left.sum - right.sum) <= limit))

    def read(self, total: WeightedSum) -> list[Mean]:
        """The mean over all runs."""
        return [Mean(mean=total.sum / max(total.rows, 1))]
