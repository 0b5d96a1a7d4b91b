"""Histograms of quantized values for people: equal bins, the borders beyond which integers clip, and what is lost.

    sqnr = 10 log10(Σ c x² / (Σ inside c s²/12 + Σ outside c (x - border)²))

over bins of count c and middle x, for a step s: rounding is uniform over a step, what lies outside is moved to the
border. It is the error a value makes by itself, whatever it reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..passes.observe.statistics import Histogram

__all__ = ["BINS", "ValueHistogram", "own_sqnr", "value_histogram"]

BINS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueHistogram:
    """How often each value occurs, on one or two sets of samples.

    Attributes:
        name: The value.
        reader: A node that reads it, or its producer.
        step: One quantization step.
        clip: The real values the integers can hold.
        span: First and last border of the bins, which are equally wide.
        counts: By set of samples (`calibration`, `evaluation`): elements in each bin.
        sqnr_db: Signal to the noise of its own rounding and clipping, on the last set; None without bound.
    """

    name: str
    reader: str
    step: float
    clip: tuple[float, float]
    span: tuple[float, float]
    counts: dict[str, tuple[float, ...]]
    sqnr_db: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values; counts of a bin that shares a wider one are fractions, rounded."""
        return {
            "name": self.name,
            "reader": self.reader,
            "step": self.step,
            "clip": list(self.clip),
            "span": list(self.span),
            "counts": {name: [round(count, 2) for count in counts] for name, counts in self.counts.items()},
            "sqnr_db": self.sqnr_db,
        }


def value_histogram(
    name: str, reader: str, sets: Sequence[tuple[str, Histogram]], *, step: float, clip: tuple[float, float]
) -> ValueHistogram:
    """Bring the histograms of a value on one axis.

    Args:
        name: The value.
        reader: A node that reads it.
        sets: (set of samples, histogram); `sqnr_db` is of the last.
        step: One quantization step.
        clip: What the integers can hold.
    """
    low = min(clip[0], *(float(found.edges[0]) for _, found in sets))
    high = max(clip[1], *(float(found.edges[-1]) for _, found in sets))
    borders = np.linspace(low, high, BINS + 1)
    sqnr = own_sqnr(sets[-1][1], step=step, clip=clip)
    return ValueHistogram(
        name=name,
        reader=reader,
        step=step,
        clip=clip,
        span=(low, high),
        counts={each: tuple(map(float, _rebinned(found, borders))) for each, found in sets},
        sqnr_db=sqnr if math.isfinite(sqnr) else None,
    )


def own_sqnr(histogram: Histogram, *, step: float, clip: tuple[float, float]) -> float:
    """Signal to the noise of rounding and clipping this value alone, dB; -inf where there is no signal."""
    counts = histogram.counts.astype(np.float64)
    middle = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    beyond = middle - np.clip(middle, *clip)
    noise = float(np.where(beyond == 0, counts * step**2 / 12, counts * beyond**2).sum())
    signal = float((counts * middle**2).sum())
    if signal <= 0:
        return -math.inf
    return 10 * math.log10(signal / noise) if noise > 0 else math.inf


def _rebinned(histogram: Histogram, borders: np.ndarray) -> np.ndarray:
    """Counts over other bins; a wide bin is spread evenly."""
    total = np.concatenate([[0.0], np.cumsum(histogram.counts, dtype=np.float64)])
    return np.asarray(np.diff(np.interp(borders, histogram.edges, total)))
