"""How far one value is from another over all samples: streamed, one accumulator per value.

============== ======================================================
SQNR, cosine   as `runtimes/compare.py` has them
mean error     Σ (y - x) / n: a shift, which bias correction removes
relative error sqrt(Σ (y - x)² / Σ x²)
clipped        share of x outside what y's integers can hold
============== ======================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...runtimes.compare import Comparer
from .carried import Window

__all__ = ["Distance", "DistanceMeter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """How far a value is from its reference.

    Attributes:
        sqnr_db: Signal to noise; inf when identical, -inf when the noise has no bound.
        cosine: Cosine of the angle between them.
        max_error: Largest absolute difference.
        mean_error: Mean of the signed difference.
        relative_error: Norm of the difference over the norm of the reference.
        peak: Largest magnitude of the reference.
        clipped: Share of the reference outside what the integers can hold; None for a float value.
        elements: Elements compared.
    """

    sqnr_db: float
    cosine: float
    max_error: float
    mean_error: float
    relative_error: float
    peak: float
    clipped: float | None
    elements: int

    def to_json(self) -> dict[str, object]:
        """JSON values; a number without bound is null."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }


def _normal(array: np.ndarray) -> np.ndarray:
    """float32 with subnormal numbers as 0, as kernels that flush them have it: below 1.2e-38 nothing is told apart."""
    x = np.array(array, np.float32)
    x[np.abs(x) < np.finfo(np.float32).tiny] = 0.0
    return x


class DistanceMeter:
    """Accumulates the distance of one value over samples.

    Args:
        window: What the compared value's integers can hold; None for a float value.
    """

    def __init__(self, window: Window | None = None) -> None:
        self._comparer = Comparer()
        self._window = window
        self._difference = 0.0
        self._elements = self._outside = 0

    def add(self, reference: np.ndarray, value: np.ndarray) -> None:
        """Take in one run.

        Raises:
            ValueError: The shapes differ.
        """
        x, y = _normal(reference), _normal(value)
        self._comparer.add(x, y)
        self._elements += x.size
        with np.errstate(invalid="ignore", over="ignore"):
            difference = float(np.subtract(y, x, dtype=np.float64).sum())
        self._difference += difference if math.isfinite(difference) else 0.0
        if self._window is not None:
            self._outside += int(np.count_nonzero((x < self._window.low) | (x > self._window.high)))

    def result(self) -> Distance:
        """The distance of everything taken in so far."""
        found = self._comparer.result()
        assert found.sqnr_db is not None
        assert found.cosine is not None
        assert found.max_error is not None
        assert found.peak is not None
        share = 1 / self._elements if self._elements else 0.0
        return Distance(
            sqnr_db=found.sqnr_db,
            cosine=found.cosine,
            max_error=found.max_error,
            mean_error=self._difference * share,
            relative_error=10 ** (-found.sqnr_db / 20),
            peak=found.peak,
            clipped=None if self._window is None else self._outside * share,
            elements=found.elements,
        )
