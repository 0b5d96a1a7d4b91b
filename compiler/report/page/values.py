"""Inside the model: error by depth, and histograms of the values that lose most."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from .curve import Point, curve
from .histogram import histogram
from .numbers import number
from .sources import Sources
from .svg import Ids

__all__ = ["Depth", "Histogram", "Histograms", "depth_of", "histograms_of"]

_SIZES = ((720, 250), (344, 230))
_LOWEST = 6
_DRAWN = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """Error by depth.

    Attributes:
        drawings: Wide and narrow.
        about: What it was taken on.
        lowest: (value, operator, SQNR), the lowest first.
    """

    drawings: tuple[Markup, ...]
    about: str
    lowest: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """One value: its histogram and what stands below it."""

    name: str
    reader: str
    drawing: Markup
    facts: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Histograms:
    """The values to look at; `about` says why these, `two` whether two sets of samples are drawn."""

    about: str
    two: bool
    drawn: tuple[Histogram, ...]


def depth_of(sources: Sources, ids: Ids) -> Depth | None:
    """Of the bundle that ships, else of what a diagnosis examined; None where nobody looked."""
    operators: dict[str, str] = {}
    if sources.depth is not None:
        points: list[Point] = [(depth, name, sqnr) for depth, name, _, sqnr in sources.depth["values"]]
        operators = {name: op for _, name, op, _ in sources.depth["values"]}
        about = f"What ships against float, value by value, on sample {sources.depth['sample']}."
    elif sources.diagnosis is not None:
        points = [(depth, name, sqnr) for depth, name, sqnr in sources.diagnosis["error_by_depth"]]
        about = "What the diagnosis examined against float, value by value, on a few calibration samples."
    else:
        return None
    if not points:
        return None
    known = sorted((point for point in points if point[2] is not None), key=lambda point: point[2] or 0.0)
    return Depth(
        drawings=tuple(curve(ids, points, *size) for size in _SIZES),
        about=about,
        lowest=tuple((name, operators.get(name, ""), f"{sqnr:.1f}") for _, name, sqnr in known[:_LOWEST]),
    )


def histograms_of(sources: Sources, ids: Ids) -> Histograms | None:
    """Of the values a diagnosis found guilty, else of those that lose most; None where there are none."""
    guilty = [] if sources.diagnosis is None else sources.diagnosis.get("guilty", [])
    coverage = sources.coverage or {}
    others = [each for each in coverage.get("histograms", []) if each["name"] not in {one["name"] for one in guilty}]
    found = [*guilty, *others][:_DRAWN]
    if not found:
        return None
    if sources.diagnosis is not None and guilty:
        about = f"First what the named cause, {sources.diagnosis['cause']}, is about, then what loses most by rounding."
    elif coverage.get("mismatched"):
        about = (
            "First the values for which the calibration samples do not stand, then those that lose most by rounding."
        )
    else:
        about = "The quantized values that lose most by their own rounding and clipping."
    drawn = tuple(
        Histogram(
            name=each["name"],
            reader=each["reader"],
            drawing=histogram(ids, each),
            facts=f"step {number(each['step'], 3)}"
            + ("" if each["sqnr_db"] is None else f", alone {each['sqnr_db']:.1f}\N{NO-BREAK SPACE}dB"),
        )
        for each in found
    )
    return Histograms(about=about, two=any(len(each["counts"]) > 1 for each in found), drawn=drawn)
