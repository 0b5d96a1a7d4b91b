"""95% interval of a median by order statistics: no draw, no assumption on the distribution."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .intervals import CONFIDENCE, SESSION_SPREAD, Interval

__all__ = ["FEWEST", "is_narrow", "median_interval", "paired_ratio_interval"]

# The fewest values whose extremes are a 95% interval.
FEWEST = 6
# Relative width below which buffers that lie elsewhere move a ratio of latencies as far.
_NARROW = 0.02


def median_interval(values: np.ndarray) -> Interval:
    """Interval of the median of what the values were drawn from; infinite below six values.

    The median lies between the (k + 1)-th smallest and the (k + 1)-th largest of n with probability
    1 - 2 P(B <= k), B binomial (n, 1/2) (David & Nagaraja, Order Statistics, 2003, ch. 7.1).

    Args:
        values: Shape (n,).
    """
    k = _left_out(len(values))
    if k is None:
        return -math.inf, math.inf
    ordered = np.sort(values)
    return float(ordered[k]), float(ordered[len(values) - 1 - k])


def paired_ratio_interval(ratios: np.ndarray) -> Interval:
    """Interval of the median of paired ratios, shape (pairs,), widened by `SESSION_SPREAD`."""
    low, high = median_interval(ratios)
    return low * (1 - SESSION_SPREAD), high * (1 + SESSION_SPREAD)


def is_narrow(ratios: np.ndarray) -> bool:
    """Whether the median of paired ratios is known so well that more pairs of the same sessions say nothing."""
    low, high = median_interval(ratios)
    return high - low <= _NARROW * float(np.median(ratios))


@lru_cache(maxsize=1024)
def _left_out(n: int) -> int | None:
    """The most values that may be left out at each end; None where even the extremes are too close together."""
    tail, found = 0.0, None
    for k in range(n // 2):
        tail += math.comb(n, k) * 0.5**n
        if 2 * tail > 1.0 - CONFIDENCE:
            break
        found = k
    return found
