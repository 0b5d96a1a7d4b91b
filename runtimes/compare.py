"""How far one set of outputs is from another: streamed, one accumulator per output, float64 throughout.

============ ==========================================
SQNR         10 log10(Σ x² / Σ (x - y)²), dB
cosine       Σ x y / sqrt(Σ x² Σ y²)
max error    max |x - y|
equal share  share of elements with x = y
============ ==========================================

x is the reference. Sums run over all elements of all samples, so a sample weighs by its energy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Comparer", "Comparison", "compare"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How far one output is from its reference.

    Attributes:
        sqnr_db: Signal to noise; inf when identical, -inf when the noise has no bound; None for integers,
            booleans and strings, which are compared by equality.
        cosine: Cosine of the angle between them; None as above.
        max_error: Largest absolute difference; None as above.
        peak: Largest magnitude of the reference; None as above.
        equal_share: Share of equal elements, 0..1.
        elements: Elements compared.
        nonfinite: Elements that are NaN or infinite where the reference is finite.
    """

    sqnr_db: float | None
    cosine: float | None
    max_error: float | None
    peak: float | None
    equal_share: float
    elements: int
    nonfinite: int

    @property
    def exact(self) -> bool:
        """Whether every element is equal."""
        return self.equal_share == 1.0 and not self.nonfinite

    def agrees(self, min_sqnr_db: float) -> bool:
        """Whether the noise is small enough; integers, booleans and strings must be equal."""
        return self.exact or (self.sqnr_db is not None and self.sqnr_db >= min_sqnr_db)

    def to_json(self) -> dict[str, object]:
        """The comparison as JSON values: numbers without bound are null, `exact` says when that is good."""
        numbers = {name: getattr(self, name) for name in ("sqnr_db", "cosine", "max_error", "peak", "equal_share")}
        finite = {name: n if n is not None and math.isfinite(n) else None for name, n in numbers.items()}
        return {**finite, "exact": self.exact, "elements": self.elements, "nonfinite": self.nonfinite}


class Comparer:
    """Accumulates the comparison of one output over samples."""

    def __init__(self) -> None:
        self._real = True
        self._elements = self._equal = self._nonfinite = 0
        self._xx = self._yy = self._xy = self._noise = 0.0
        self._max_error = self._peak = 0.0

    def add(self, reference: np.ndarray, value: np.ndarray) -> None:
        """Take in one sample's output.

        Raises:
            ValueError: The shapes differ.
        """
        x, y = np.asarray(reference), np.asarray(value)
        if x.shape != y.shape:
            raise ValueError(f"shape {list(y.shape)} against {list(x.shape)}")
        self._elements += x.size
        if not (_is_real(x.dtype) and _is_real(y.dtype)):
            self._real = False
            self._equal += int(np.count_nonzero(x == y))
            return
        x, y = x.astype(np.float64).reshape(-1), y.astype(np.float64).reshape(-1)
        self._equal += int(np.count_nonzero((x == y) | (np.isnan(x) & np.isnan(y))))
        known, good = np.isfinite(x), np.isfinite(y)
        self._nonfinite += int(np.count_nonzero(known & ~good))
        both = known & good
        if not both.all():
            x, y = x[both], y[both]
        if not x.size:
            return
        error = x - y
        self._xx += _dot(x, x)
        self._yy += _dot(y, y)
        self._xy += _dot(x, y)
        self._noise += _dot(error, error)
        self._max_error = max(self._max_error, float(np.abs(error).max()))
        self._peak = max(self._peak, float(np.abs(x).max()))

    def result(self) -> Comparison:
        """The comparison of everything taken in so far."""
        share = self._equal / self._elements if self._elements else 1.0
        if not self._real:
            return Comparison(
                sqnr_db=None, cosine=None, max_error=None, peak=None,
                equal_share=share, elements=self._elements, nonfinite=0,
            )  # fmt: skip
        broken = self._nonfinite > 0
        return Comparison(
            sqnr_db=-math.inf if broken else _decibels(self._xx, self._noise),
            cosine=0.0 if broken else _cosine(self._xy, self._xx, self._yy, self._noise),
            max_error=math.inf if broken else self._max_error,
            peak=self._peak,
            equal_share=share,
            elements=self._elements,
            nonfinite=self._nonfinite,
        )


def compare(reference: Mapping[str, np.ndarray], value: Mapping[str, np.ndarray]) -> dict[str, Comparison]:
    """Compare two sets of outputs by name.

    Raises:
        ValueError: The names or shapes differ.
    """
    if set(reference) != set(value):
        raise ValueError(f"outputs {sorted(value)} against {sorted(reference)}")
    found = {}
    for name, array in reference.items():
        comparer = Comparer()
        comparer.add(array, value[name])
        found[name] = comparer.result()
    return found


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    # Not `@`: BLAS starts threads for it, which then fight with the runtime's (5 ms against 20 us on two busy cores).
    return float(np.einsum("i,i->", a, b))


def _is_real(dtype: np.dtype) -> bool:
    # ml_dtypes' bfloat16 and float8 have kind "V" in numpy; their names tell.
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def _cosine(xy: float, xx: float, yy: float, noise: float) -> float:
    if noise == 0:
        return 1.0
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else 0.0
