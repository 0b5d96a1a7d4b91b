"""From what was observed of a value to the range its scale will cover."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from ..observe.statistics import Histogram
from ..spec import QuantSpec
from .ranges_entropy import entropy_range
from .ranges_noise import Noise
from .ranges_percentile import percentile_range
from .ranges_search import auto_range, mse_range, sqnr_range

__all__ = ["METHODS", "range_by"]

# A search asks the same of one histogram for every candidate it builds.
_known: WeakKeyDictionary[Histogram, dict[tuple[object, ...], tuple[float, float]]] = WeakKeyDictionary()

METHODS = ("minmax", "moving-average", "percentile", "entropy", "mse", "sqnr", "auto")


def range_by(
    method: str,
    histogram: Histogram,
    spec: QuantSpec,
    low: float,
    high: float,
    *,
    percentile: float,
    slope: float = 1.0,
) -> tuple[float, float]:
    """The range a method chooses, never wider than the extremes.

    Args:
        method: `percentile`, `entropy`, `mse`, `sqnr` or `auto`.
        histogram: Counts, of all elements or of a selection.
        spec: What was asked.
        low: Smallest value of all.
        high: Largest value of all.
        percentile: Share of values inside the range, in percent.
        slope: What an error of a negative element weighs, for `mse` and `sqnr`.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return low, high
    found = _known.setdefault(histogram, {})
    asked = (method, spec, low, high, percentile, slope)
    if asked not in found:
        found[asked] = _chosen(method, histogram, spec, low, high, percentile=percentile, slope=slope)
    return found[asked]


def _chosen(
    method: str, histogram: Histogram, spec: QuantSpec, low: float, high: float, *, percentile: float, slope: float
) -> tuple[float, float]:
    match method:
        case "percentile":
            found = percentile_range(histogram, spec, percentile)
        case "entropy":
            found = entropy_range(histogram, spec, low, high)
        case "mse":
            found = mse_range(Noise.of(histogram, low, high, slope=slope), spec)
        case "sqnr":
            found = sqnr_range(Noise.of(histogram, low, high, slope=slope), spec)
        case "auto":
            found = auto_range(Noise.of(histogram, low, high), spec)
        case _:
            raise ValueError(f"method: {method!r} needs no histogram")
    return max(found[0], low), min(found[1], high)
