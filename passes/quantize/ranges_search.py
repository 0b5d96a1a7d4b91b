"""Ranges that make the least noise, found on a grid of bounds: MSE, SQNR, and the choice of `auto`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..spec import QuantSpec
from .ranges_noise import Noise

__all__ = ["auto_range", "mse_range", "sqnr_range"]

# Bounds tried on either side, twice: from the extreme to the median, then between the neighbours of the best.
_BOUNDS = 32
# What clipping weighs in SQNR: gamma of AIMET's SqnrEncodingAnalyzer (aimet_torch v2 encoding_analyzer.py).
_SQNR_CLIPPING = 3.0

_Cost = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mse_range(noise: Noise, spec: QuantSpec) -> tuple[float, float]:
    """The range of the least mean squared error; the extremes are among those tried."""
    return _least(noise, spec, lambda low, high: noise.at(spec, low, high))


def sqnr_range(noise: Noise, spec: QuantSpec) -> tuple[float, float]:
    """The range of the best signal-to-noise ratio, where noise is that of rounding + 3 times that of clipping.

    Rounding errors are independent of each other and average out in the sums that follow; clipping errors all
    point the same way.
    """
    return _least(noise, spec, lambda low, high: noise.at(spec, low, high, clipping=_SQNR_CLIPPING))


def auto_range(noise: Noise, spec: QuantSpec) -> tuple[float, float]:
    """Of the ranges whose squared error is no larger than that of the extremes, the one of the least absolute error.

    What follows a value scales its channels to a like size, so that errors of many small elements count for
    more than their squares say: less absolute error is what helps. Alone it would cut off the few huge elements
    that carry the signal of a transformer's residual stream, or of a linear bottleneck; no range without them
    has less squared error.
    """
    limit = noise.at(spec, np.asarray(noise.low), np.asarray(noise.high))

    def cost(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        allowed = noise.at(spec, low, high) <= limit
        return np.where(allowed, noise.at(spec, low, high, power=1), np.inf)

    return _least(noise, spec, cost)


def _least(noise: Noise, spec: QuantSpec, cost: _Cost) -> tuple[float, float]:
    """The cheapest range: a coarse grid down to the median on either side, then a fine one around the best."""
    if spec.symmetric:
        reach = max(-noise.low, noise.high)
        bounds = _bounds(np.abs(noise.x), noise, reach)
        for _ in range(2):
            best = int(cost(-bounds, bounds).argmin())
            found = float(bounds[best])
            bounds = _around(bounds, best)
        return max(-found, noise.low), min(found, noise.high)
    lows, highs = -_bounds(-noise.x, noise, -noise.low), _bounds(noise.x, noise, noise.high)
    for _ in range(2):
        costs = cost(lows[:, None], highs[None, :])
        i, j = (int(index) for index in np.unravel_index(int(costs.argmin()), costs.shape))
        low, high = float(lows[i]), float(highs[j])
        lows, highs = -_around(-lows, i), _around(highs, j)
    return low, high


def _bounds(x: np.ndarray, noise: Noise, reach: float) -> np.ndarray:
    """Bounds from the extreme, first, down to the median of what lies on its side of 0, in equal ratios."""
    if reach <= 0:
        return np.zeros(1)
    counts = noise.above[0, :-1] - noise.above[0, 1:]
    mine = x > 0
    order = np.argsort(x[mine], kind="stable")
    sums = np.cumsum(counts[mine][order])
    median = float(x[mine][order][np.searchsorted(sums, sums[-1] / 2)])
    bounds = np.geomspace(reach, min(max(median, float(np.finfo(np.float32).tiny)), reach), _BOUNDS)
    bounds[0] = reach  # exactly
    return bounds


def _around(bounds: np.ndarray, best: int) -> np.ndarray:
    """Finer bounds between the neighbours of the best one, which stays among them; largest first."""
    larger, smaller = bounds[max(best - 1, 0)], bounds[min(best + 1, bounds.size - 1)]
    if larger <= smaller:
        return bounds
    fine = np.geomspace(larger, smaller, _BOUNDS)
    tried: np.ndarray = np.unique(np.append(fine[1:-1], [larger, bounds[best], smaller]))[::-1]
    return tried
