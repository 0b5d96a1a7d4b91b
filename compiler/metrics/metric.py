"""Task metrics: one record per sample, many records to one number.

A record is additive or at least independent of other samples, so that a metric streams, and so that the
bootstrap (`intervals.py`) can weigh samples instead of running the model again.

A metric of unit `pt` lies in 0..1 and is shown times 100.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

__all__ = ["Metric", "stack"]

Outputs: TypeAlias = Mapping[str, np.ndarray]
Record: TypeAlias = Callable[[Outputs, np.ndarray], np.ndarray]
Aggregate: TypeAlias = Callable[[np.ndarray], float]
Weighted: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _mean(records: np.ndarray) -> float:
    return float(records[:, 0].mean())


def weighted_mean(records: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of the first column under each row of weights."""
    return np.asarray(weights @ records[:, 0] / weights.sum(axis=1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """How well outputs answer labels.

    Attributes:
        name: What the user calls it.
        direction: Which way is better.
        unit: `pt` (0..1, shown times 100), `dB`, or "" (its own).
        record: (outputs of one sample by name, its label) to a float64 array of shape (k,). A sample of several
            steps gives its outputs concatenated along axis 0.
        ragged: k differs from sample to sample (detections, say), and `aggregate` and `weighted` see records filled
            up with NaN; else k is the same for all samples.
        aggregate: Records of shape (n, k) to the metric's value; the mean of the first column unless given.
        weighted: Records (n, k) and sample weights (r, n), integer counts, to r values, each equal to
            `aggregate` of the records repeated by their weights; None resamples one at a time.
        bounded: One sample more or less right moves the value by about 1/n: the rule of three applies
            when no sample differs.
        output: The output of the model that `record` looks at, where one was named.
    """

    name: str
    direction: Literal["higher", "lower"]
    unit: str
    record: Record
    aggregate: Aggregate = _mean
    weighted: Weighted | None = None
    bounded: bool = False
    ragged: bool = False
    output: str | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("higher", "lower"):
            raise ValueError(f"direction: {self.direction!r} is not 'higher' or 'lower'")

    @property
    def scale(self) -> float:
        """Multiplies a value for display: 100 for `pt`, else 1."""
        return 100.0 if self.unit == "pt" else 1.0

    def drop(self, reference: float, value: float) -> float:
        """How much worse `value` is than `reference`; positive is worse."""
        return reference - value if self.direction == "higher" else value - reference


def stack(records: Sequence[np.ndarray]) -> np.ndarray:
    """Records as one array (n, k), shorter ones filled up with NaN."""
    longest = max(len(record) for record in records)
    stacked = np.full((len(records), longest), np.nan)
    for row, record in zip(stacked, records, strict=True):
        row[: len(record)] = record
    return stacked
