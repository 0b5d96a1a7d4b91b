"""The range whose quantized distribution tells most of the original one: least Kullback-Leibler divergence.

TensorRT's calibration (Migacz, "8-bit Inference with TensorRT", GTC 2017, slides 31-38; ONNX Runtime's
EntropyCalibrater does the same), for ranges of either sign: of 2048 equal bins over [0, max|x|] on either side of 0,
each threshold T cuts magnitudes; P is what is inside with the outliers added to the outermost bins, Q what is inside
merged to as many groups as there are codes, and each group's mass spread evenly over its filled bins.
"""

from __future__ import annotations

import numpy as np

from ..observe.statistics import Histogram
from ..spec import QuantSpec

__all__ = ["entropy_range"]

_BINS = 2048
_STEP = 16


def entropy_range(histogram: Histogram, spec: QuantSpec, low: float, high: float) -> tuple[float, float]:
    """The range [max(low, -T), min(high, T)] of the least KL(P || Q).

    Args:
        histogram: Counts.
        spec: How many codes there are.
        low: Smallest value, at most 0.
        high: Largest value, at least 0.
    """
    reach = max(-low, high)
    codes = spec.qmax - spec.qmin + 1
    if reach <= 0.0:
        return low, high
    masses = _equal_bins(histogram, reach)
    filled = np.flatnonzero(masses)
    first, last = int(filled[0]), int(filled[-1]) + 1  # the range that low and high leave
    best, found = np.inf, _BINS
    for bins in range(_BINS, 0, -_STEP):
        start, end = max(first, _BINS - bins), min(last, _BINS + bins)
        if end - start < codes:
            break
        divergence = _divergence(masses, start, end, codes)
        if divergence < best:
            best, found = divergence, bins
    reach *= found / _BINS
    return max(low, -reach), min(high, reach)


def _equal_bins(histogram: Histogram, reach: float) -> np.ndarray:
    """Masses of 2 * 2048 equal bins over [-reach, reach]; a bin's mass is spread evenly over its width."""
    borders = np.linspace(-reach, reach, 2 * _BINS + 1)
    sums = np.concatenate([[0.0], np.cumsum(histogram.counts)])
    inner = np.interp(borders[1:-1], histogram.edges, sums)
    masses: np.ndarray = np.diff(np.concatenate([[0.0], inner, [sums[-1]]]))
    # The bin of exactly 0 straddles two equal bins.
    return masses


def _divergence(masses: np.ndarray, start: int, end: int, codes: int) -> float:
    """KL(P || Q) of the bins from `start` to `end`, in nats."""
    inside = masses[start:end]
    p = inside.copy()
    p[0] += masses[:start].sum()
    p[-1] += masses[end:].sum()
    groups = np.minimum(np.arange(inside.size) * codes // inside.size, codes - 1)
    filled = p > 0
    share = np.bincount(groups, inside, codes) / np.maximum(np.bincount(groups, filled, codes), 1)
    q = np.where(filled, share[groups], 0.0)
    if q.sum() <= 0:
        return float("inf")
    # An outermost bin that only outliers fill has no mass in Q: as much as there is none at all.
    p, q = p / p.sum(), np.maximum(q / q.sum(), 1e-12)
    return float(np.sum(p[filled] * np.log(p[filled] / q[filled])))
