"""How much a range distorts what was counted: rounding inside of it, clipping outside.

With step s an element inside the range is off by s / 4 on average, by s²/12 in the mean square (rounding is uniform);
one smaller than s / 2 by x (it becomes 0), one beyond a bound t by x - t. Sums of 1, x and x² over everything
above each x answer any number of ranges at once, each in the time of a few binary searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..observe.statistics import Histogram
from ..spec import QuantSpec

__all__ = ["Noise"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Noise:
    """What was counted of one value, as elements and sums over them.

    Attributes:
        low: Smallest element, at most 0.
        high: Largest element, at least 0.
        x: Elements, float64, ascending.
        above: Sums of c, c x and c x² over all elements from each index on; float64, shape (3, elements + 1).
        slope: What an error of a negative element weighs: that of the LeakyRelu that alone reads the value.
    """

    low: float
    high: float
    x: np.ndarray
    above: np.ndarray
    slope: float = 1.0

    @classmethod
    def of(cls, histogram: Histogram, low: float, high: float, *, slope: float = 1.0) -> Noise:
        """The middle of every bin, and the extremes once each: a selection of elements may have missed them.

        Args:
            histogram: Counts, of all elements or of a selection.
            low: Smallest value of all.
            high: Largest value of all.
            slope: What an error of a negative element weighs.
        """
        filled = histogram.counts > 0
        edges = np.clip(histogram.edges, low, high)
        middles = (edges[:-1] + edges[1:])[filled] / 2
        x = np.concatenate([[low], middles, [high]])
        counts = np.concatenate([[1.0], histogram.counts[filled], [1.0]])
        terms = np.stack([counts, counts * x, counts * x * x])
        above = np.zeros((3, x.size + 1))
        above[:, :-1] = np.cumsum(terms[:, ::-1], axis=1)[:, ::-1]
        return cls(low=min(low, 0.0), high=max(high, 0.0), x=x, above=above, slope=slope)

    @property
    def energy(self) -> float:
        """The sum of x²."""
        return float(self.above[2, 0])

    def at(
        self, spec: QuantSpec, low: np.ndarray, high: np.ndarray, *, power: Literal[1, 2] = 2, clipping: float = 1.0
    ) -> np.ndarray:
        """The sum of errors of ranges, absolute or squared.

        Args:
            spec: How many steps a range has, and whether it is symmetric.
            low: Lower bounds, at most 0, float64, any shape.
            high: Upper bounds, at least 0, of a shape that fits.
            power: 1 sums absolute errors, 2 squared ones.
            clipping: What an error by clipping weighs against one by rounding.

        Returns:
            float64, shape of the ranges.
        """
        if spec.symmetric:
            high = np.maximum(-low, high)
            low, step = -high, high / spec.qmax
        else:
            step = (high - low) / (spec.qmax - spec.qmin)
        n, *_ = everything = self.above[:, 0]
        over = self._from(high, "right")
        under = everything.reshape(3, *[1] * low.ndim) - self._from(low, "left")
        # What becomes 0, on either side; exact zeros are neither.
        zero = np.zeros(())
        plus = self._from(zero, "right")[:, *[None] * step.ndim] - self._from(np.minimum(step / 2, high), "right")
        minus = self._from(np.maximum(-step / 2, low), "left") - self._from(zero, "left")[:, *[None] * step.ndim]
        below = self.slope**power
        zeros = self._from(zero, "left")[0] - self._from(zero, "right")[0]
        positive = self._from(zero, "right")[0] - over[0] - plus[0]
        rounded = positive + below * (n - zeros - over[0] - under[0] - plus[0] - minus[0] - positive)
        if power == 1:
            cut = (over[1] - high * over[0]) + below * (low * under[0] - under[1])
            inside = rounded * step / 4 + plus[1] - below * minus[1]
        else:
            cut = (over[2] - 2 * high * over[1] + high * high * over[0]) + below * (
                under[2] - 2 * low * under[1] + low * low * under[0]
            )
            inside = rounded * step * step / 12 + plus[2] + below * minus[2]
        found: np.ndarray = clipping * np.maximum(cut, 0.0) + inside
        return found

    def _from(self, bound: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
        """Sums over x > bound ("right") or x >= bound ("left"), shape (3, ...)."""
        first = np.searchsorted(self.x, bound, side=side)
        return np.take(self.above, first, axis=1)
