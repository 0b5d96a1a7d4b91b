"""How often each value occurs: bins are the bfloat16 numbers, the high 16 bits of a float32.

A bin is 1/128 to 1/256 of its value wide at any scale, so nothing has to be binned anew when the range grows: counts
are exact, merge in any order, and need no range beforehand. (A histogram of equal bins, as TensorRT and ONNX Runtime
keep it, must be stretched whenever a sample exceeds it, and one outlier leaves a few bins to all other values.)

With a budget of elements, every step-th element of each sample is selected in the graph, so that small arrays leave
ONNX Runtime; without one, whole values leave it, and are counted in pieces that fit a cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from .nodes import emit, integers, publish
from .statistics import Counts, Histogram, Need
from .strided import strided

__all__ = ["CountsProbe", "Tally", "codes_of"]

_BINS = 1 << 16
_SIGN = 0x8000
_INFINITY = 0x7F80
# Elements counted at once: their 64-bit indices stay in the second-level cache.
_PIECE = 1 << 16
# Up to so many codes are counted by sorting them.
_SORTED = 1 << 17


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tally:
    """Counts of the codes that occurred, and codes still to be counted.

    Attributes:
        codes: High halves of float32 that occurred, uint16, ascending.
        counts: How often, int64.
        waiting: Codes of single runs; counted together, since counting costs a pass over all bins.
    """

    codes: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint16))
    counts: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    waiting: tuple[np.ndarray, ...] = ()

    def merge(self, other: Tally) -> Tally:
        """What occurred in both."""
        if not other.codes.size:
            more = Tally(codes=self.codes, counts=self.counts, waiting=(*self.waiting, *other.waiting))
        elif not self.codes.size:
            more = Tally(codes=other.codes, counts=other.counts, waiting=(*self.waiting, *other.waiting))
        else:
            more = _counted(self, other)
        return more if sum(codes.size for codes in more.waiting) < _PIECE else _counted(more)

    def settled(self) -> Tally:
        """The same with nothing waiting."""
        return _counted(self) if self.waiting else self

    def histogram(self) -> Histogram:
        """The bins that occurred, that of 0, and an empty one over each gap; what is not finite is left out.

        A float32 x has the code of the bfloat16 next to it towards 0: bins above 0 hold their lower border, bins
        below 0 their upper one, and the bin of 0 what is smaller than the least bfloat16, 2^-133.
        """
        total = self.settled()
        magnitude = (total.codes & (_SIGN - 1)).astype(np.int64)
        finite, negative = magnitude < _INFINITY, total.codes >= _SIGN
        below, above = finite & negative, finite & ~negative
        # In the order of the numbers: codes ascend with the magnitude, on either side of 0.
        place = np.concatenate([-magnitude[below][::-1], [0], magnitude[above]])
        counts = np.concatenate([total.counts[below][::-1], [0], total.counts[above]])
        starts = _starts(place)
        occupied, counts = place[starts], np.add.reduceat(counts, starts)
        borders = np.stack([_lower(occupied), _lower(occupied + 1)], axis=1).ravel()
        inside = np.stack([counts, np.zeros_like(counts)], axis=1).ravel()[:-1]
        # Where a bin ends where the next one starts, there is no gap.
        open_ = np.append(True, borders[1:] != borders[:-1])
        borders, inside = borders[open_], inside[open_[1:]]
        return Histogram(edges=np.sign(borders) * _number(np.abs(borders)), counts=inside)


@dataclass(frozen=True, kw_only=True, slots=True)
class CountsProbe:
    """Outputs the selected elements."""

    need: Need
    selected: str

    @property
    def needs(self) -> tuple[Need, ...]:
        return (self.need,)

    @classmethod
    def add(cls, model: ir.Model, value: ir.Value, need: Need, statistic: Counts, prefix: str) -> CountsProbe:
        """Append the selection of elements, or only an output where all are counted."""
        elements = statistic.elements
        if elements is None:
            chosen = emit(model, "Reshape", [value, integers(model, f"{prefix}_flat", [-1])], f"{prefix}_all")
            return cls(need=need, selected=publish(model, chosen, 1))
        return cls(need=need, selected=publish(model, strided(model, value, elements, prefix), 2))

    def seen(self, outputs: Mapping[str, np.ndarray]) -> Tally:
        """The elements of one run."""
        codes = codes_of(outputs[self.selected])
        # A view would keep the whole run's output alive.
        return Tally(waiting=(codes.copy(),)) if codes.size < _PIECE else _counted(Tally(waiting=(codes,)))

    def merge(self, left: Tally, right: Tally) -> Tally:
        """What occurred in both."""
        return left.merge(right)

    def alike(self, left: Tally, right: Tally) -> bool:
        """Whether the same elements, up to rounding, were selected.

        Rounding moves an element by a bin at most, so that no bin border has many more elements on one side.
        """
        one, other = left.histogram(), right.histogram()
        if one.counts.sum() != other.counts.sum():
            return False
        low, high = (float(np.max(np.abs(each.edges))) for each in (one, other))
        return abs(low - high) <= max(low, high) / 64

    def read(self, total: Tally) -> list[Histogram]:
        """The counts over all runs."""
        return [total.histogram()]


def codes_of(x: np.ndarray) -> np.ndarray:
    """The high 16 bits of every float32: a view, shape (elements,), uint16."""
    flat = np.ascontiguousarray(x, np.float32).reshape(-1)
    return flat.view(np.uint16)[1 if np.little_endian else 0 :: 2]


def _counted(*tallies: Tally) -> Tally:
    """All tallies in one, nothing waiting."""
    parts = [tally for tally in tallies if tally.codes.size]
    waiting = [codes for tally in tallies for codes in tally.waiting]
    if waiting:
        parts.append(_count(waiting))
    if len(parts) == 1:
        return Tally(codes=parts[0].codes, counts=parts[0].counts)
    codes = np.concatenate([tally.codes for tally in parts])
    order = np.argsort(codes, kind="stable")
    codes, counts = codes[order], np.concatenate([tally.counts for tally in parts])[order]
    starts = _starts(codes)
    return Tally(codes=codes[starts], counts=np.add.reduceat(counts, starts))


def _count(waiting: Sequence[np.ndarray]) -> Tally:
    """How often each code occurs: few are sorted, since bins for all there are cost more than they."""
    if sum(codes.size for codes in waiting) <= _SORTED:
        codes = np.sort(np.concatenate(waiting), kind="stable")  # by radix, 16 bits wide
        starts = _starts(codes)
        return Tally(codes=codes[starts], counts=np.diff(np.append(starts, codes.size)))
    dense = np.zeros(_BINS, np.int64)
    for codes in waiting:
        for start in range(0, codes.size, _PIECE):
            dense += np.bincount(codes[start : start + _PIECE], minlength=_BINS)
    found = np.flatnonzero(dense)
    return Tally(codes=found.astype(np.uint16), counts=dense[found])


def _starts(ascending: np.ndarray) -> np.ndarray:
    """Where each run of equal entries starts, int64."""
    return np.flatnonzero(np.append(ascending.size > 0, ascending[1:] != ascending[:-1]))


def _lower(place: np.ndarray) -> np.ndarray:
    """The lower border of bins: the bin of x > 0 starts at its code, that of x <= 0 ends there."""
    return np.where(place <= 0, place - 1, place)


def _number(code: np.ndarray) -> np.ndarray:
    """The float64 value of a bfloat16 given by its code, infinity's as the number it would be: 2^128."""
    exponent, mantissa = code >> 7, code & 0x7F
    normal = np.ldexp(1.0 + mantissa / 128.0, exponent - 127)
    return np.where(exponent == 0, np.ldexp(mantissa / 128.0, -126), normal)
