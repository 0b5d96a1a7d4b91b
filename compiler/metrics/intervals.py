"""95% confidence intervals by the paired bootstrap, and what to say when no sample differs.

Samples are drawn with replacement, the same draw for float and bundle, so that a hard sample is hard for
both (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval, ch. 13).

When all paired differences are 0 every resample says 0, whatever n is. The rule of three then bounds what
was not seen: an event that happened in none of n samples has a rate of at most 1 - 0.05^(1/n), about 3/n,
with 95% confidence (Clopper & Pearson 1934; Hanley & Lippman-Hand, JAMA 249, 1983). A sample that does not
differ moves nothing, so the drop of a metric that one sample moves by 1/n lies within that of 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .metric import Metric

__all__ = [
    "Interval",
    "MetricIntervals",
    "median_ratio_interval",
    "metric_intervals",
    "quantile_ratio_interval",
    "rule_of_three",
]

Interval: TypeAlias = tuple[float, float]

RESAMPLES = 2000
CONFIDENCE = 0.95
_CELLS = 1 << 21  # weights in memory at once
# Two sessions of one and the same model differ by where their buffers lie: medians up to 3% apart in 40 such pairs
# of five models (ONNX Runtime 1.31.1, Zen 4, one thread, 2026-11), which no number of runs of one pair shows.
SESSION_SPREAD = 0.03


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricIntervals:
    """95% intervals of a metric, in its own unit; None where the resamples do not define it.

    Attributes:
        reference: Of the float model; None without one.
        value: Of the bundle.
        drop: Of how much worse the bundle is than float; None without float.
    """

    reference: Interval | None
    value: Interval | None
    drop: Interval | None


def rule_of_three(n: int) -> float:
    """Upper 95% bound of the rate of an event not seen in n samples: 1 - 0.05^(1/n)."""
    return float(1.0 - (1.0 - CONFIDENCE) ** (1.0 / n))


def metric_intervals(
    metric: Metric, reference: np.ndarray | None, value: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES
) -> MetricIntervals:
    """Intervals of a metric and of its drop.

    Args:
        metric: What the records are of.
        reference: Float's records, shape (n, k); None without float.
        value: The bundle's records of the same samples, shape (n, k).
        seed: Seeds the draws.
        resamples: How many draws.
    """
    n = len(value)
    of_value, of_reference = [], []
    for weights in _draws(n, resamples, seed):
        of_value.append(_weigh(metric, value, weights))
        if reference is not None:
            of_reference.append(_weigh(metric, reference, weights))
    values = np.concatenate(of_value)
    if reference is None:
        return MetricIntervals(reference=None, value=_own(metric, value, values), drop=None)
    references = np.concatenate(of_reference)
    drops = references - values if metric.direction == "higher" else values - references
    drop = _percentiles(drops)
    if np.array_equal(reference, value, equal_nan=True):
        bound = rule_of_three(n) if metric.bounded else 0.0
        drop = (-bound, bound)
    return MetricIntervals(reference=_own(metric, reference, references), value=_own(metric, value, values), drop=drop)


def median_ratio_interval(a: np.ndarray, b: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """`quantile_ratio_interval` of the medians."""
    return quantile_ratio_interval(a, b, 0.5, seed=seed, resamples=resamples)


def quantile_ratio_interval(
    a: np.ndarray, b: np.ndarray, quantile: float, *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Interval of the ratio of a quantile of a to that of b, for timings in paired blocks, shape (blocks, runs) each.

    Blocks are drawn, as pairs: runs of one block share what the machine was doing then. The interval is widened by
    `SESSION_SPREAD`, so that a model against itself is not found slower.
    """
    index = np.random.default_rng(seed).integers(0, len(a), (resamples, len(a)))
    ratios = np.quantile(a[index], quantile, axis=(1, 2)) / np.quantile(b[index], quantile, axis=(1, 2))
    low, high = np.percentile(ratios, _tails())
    return float(low) * (1 - SESSION_SPREAD), float(high) * (1 + SESSION_SPREAD)


def _draws(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Counts of each of n samples in each resample, shape (rows, n), a few rows at a time."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS // n)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        index = generator.integers(0, n, (count, n)) + np.arange(count)[:, None] * n
        yield np.bincount(index.reshape(-1), minlength=count * n).reshape(count, n)


def _weigh(metric: Metric, records: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if metric.weighted is not None:
        return metric.weighted(records, weights)
    return np.array([metric.aggregate(np.repeat(records, row, axis=0)) for row in weights], dtype=np.float64)


def _own(metric: Metric, records: np.ndarray, resampled: np.ndarray) -> Interval | None:
    """The percentile interval, widened by the rule of three where all samples answered alike (all right, all wrong)."""
    interval = _percentiles(resampled)
    if interval is not None and metric.bounded and len(np.unique(records, axis=0)) == 1:
        bound = rule_of_three(len(records))
        return max(0.0, interval[0] - bound), min(1.0, interval[1] + bound)
    return interval


def _percentiles(resampled: np.ndarray) -> Interval | None:
    """2.5th and 97.5th percentile; None when more than half of the resamples are undefined (one class only, say)."""
    defined = resampled[np.isfinite(resampled)]
    if len(defined) * 2 < len(resampled):
        return None
    low, high = np.percentile(defined, _tails())
    return float(low), float(high)


def _tails() -> tuple[float, float]:
    tail = 50 * (1 - CONFIDENCE)
    return tail, 100 - tail
