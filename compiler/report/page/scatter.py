"""Points by two numbers: what is had against what it costs, the best of both joined by a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from .svg import Ids, chart, element, text

__all__ = ["Axis", "Mark", "scatter"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 18, 24, 44
_RADIUS = 5.0
# About what a letter of a name is wide.
_LETTER = 6.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One direction of a drawing.

    Attributes:
        name: What it shows, with its unit where numbers have one.
        shown: A number in words.
        higher: More is better.
        logarithmic: Equal steps are equal factors; all numbers are above 0.
    """

    name: str
    shown: Callable[[float], str]
    higher: bool = False
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One point: two numbers with their intervals.

    Attributes:
        name: Written beside it where it is on the front and there is room; told on hover.
        x, y: Value, low, high.
        front: None beats it.
        chosen: It is ringed.
        kept: It keeps the contract; else it is hollow.
        kind: Which shape: points of one model share theirs.
    """

    name: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    front: bool
    chosen: bool
    kept: bool
    kind: int


def scatter(ids: Ids, marks: Sequence[Mark], across: Axis, up: Axis, width: int, height: int) -> Markup:
    """Draw it.

    Args:
        ids: Names its parts.
        marks: At least one.
        across: What is seen from left to right.
        up: What is seen from below.
        width: Of the drawing.
        height: Of the drawing.
    """
    x = _Scale(across, [end for mark in marks for end in mark.x], _LEFT, width - _RIGHT)
    y = _Scale(up, [end for mark in marks for end in mark.y], height - _BOTTOM, _TOP)
    steps = _best(marks, x, y)
    body = [*_grid(x, y, width, height), _line(steps, x, y)]
    for mark in sorted(marks, key=lambda each: (each.front, each.chosen)):
        body += _mark(mark, x, y)
    body += _names(marks, steps, x, y, width)
    best = [mark.name for mark in marks if mark.front]
    described = f"{len(marks)} points; on the front: {', '.join(best)}"
    chosen = next((mark.name for mark in marks if mark.chosen), None)
    if chosen is not None:
        described += f"; ringed: {chosen}"
    return chart(ids, width, height, body, title=f"{up.name} against {across.name}", description=described)


class _Scale:
    """Where a number lies on an axis."""

    def __init__(self, axis: Axis, seen: Sequence[float], first: float, last: float) -> None:
        self.axis, self._first, self._last = axis, first, last
        low, high = self._turned(min(seen)), self._turned(max(seen))
        room = (high - low) * 0.08 or 0.05 * max(abs(high), 1e-3)
        self.low, self.high = low - room, high + room

    def _turned(self, value: float) -> float:
        return math.log10(value) if self.axis.logarithmic else value

    def __call__(self, value: float) -> float:
        share = (self._turned(value) - self.low) / (self.high - self.low)
        return self._first + share * (self._last - self._first)

    def ticks(self) -> list[float]:
        """Round numbers on it: 1, 2, 5 and their powers of ten."""
        if self.axis.logarithmic:
            powers = range(math.floor(self.low), math.ceil(self.high) + 1)
            found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            return [each for each in found if self.low <= math.log10(each) <= self.high]
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
        count = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [each * step for each in count]


def _grid(x: _Scale, y: _Scale, width: int, height: int) -> list[str]:
    floor, found = height - _BOTTOM, []
    for value in y.ticks():
        at = y(value)
        found += [
            element("line", x1=_LEFT, x2=width - _RIGHT, y1=at, y2=at, class_="grid"),
            text(_LEFT - 7, at + 4, y.axis.shown(value), class_="tick", text_anchor="end"),
        ]
    for value in x.ticks():
        at = x(value)
        found += [
            element("line", x1=at, x2=at, y1=floor, y2=floor + 4, class_="axis"),
            text(at, floor + 17, x.axis.shown(value), class_="tick", text_anchor="middle"),
        ]
    middle = (width + _LEFT - _RIGHT) / 2
    return [
        *found,
        text(4, 12, y.axis.name, class_="tick"),
        text(middle, floor + 36, x.axis.name, class_="tick", text_anchor="middle"),
    ]


def _best(marks: Sequence[Mark], x: _Scale, y: _Scale) -> list[Mark]:
    """The points that none beats in these two numbers alone, from the cheapest on."""

    def cost(axis: Axis, value: float) -> float:
        return -value if axis.higher else value

    found, least = [], math.inf
    for mark in sorted(marks, key=lambda each: (cost(x.axis, each.x[0]), cost(y.axis, each.y[0]))):
        if cost(y.axis, mark.y[0]) < least:
            found.append(mark)
            least = cost(y.axis, mark.y[0])
    return found


def _line(best: Sequence[Mark], x: _Scale, y: _Scale) -> str:
    """Steps through them."""
    steps: list[tuple[float, float]] = []
    for mark in best:
        if steps:
            steps.append((x(mark.x[0]), steps[-1][1]))
        steps.append((x(mark.x[0]), y(mark.y[0])))
    return element("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in steps), class_="line")


def _names(marks: Sequence[Mark], best: Sequence[Mark], x: _Scale, y: _Scale, width: int) -> list[str]:
    """Names where there is room: first of the one to take, then of those the line joins, then of the front."""
    found: list[str] = []
    taken: list[tuple[float, float, float, float]] = []
    for mark in sorted((each for each in marks if each.front), key=lambda each: (not each.chosen, each not in best)):
        at, up, long = x(mark.x[0]), y(mark.y[0]), _LETTER * len(mark.name)
        for left, low in ((at + 11, up - 8), (at - 11 - long, up - 8), (at + 11, up + 17), (at - 11 - long, up + 17)):
            box = (left, low - 11, left + long, low + 3)
            if left >= _LEFT and box[2] <= width and not any(_meet(box, other) for other in taken):
                taken.append(box)
                found.append(text(left, low, mark.name, class_="callout"))
                break
    return found


def _meet(box: Sequence[float], other: Sequence[float]) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _mark(mark: Mark, x: _Scale, y: _Scale) -> list[str]:
    at, up = x(mark.x[0]), y(mark.y[0])
    kind = "main" if mark.front else "other"
    found = []
    if mark.x[1] != mark.x[2]:
        found.append(element("line", x1=x(mark.x[1]), x2=x(mark.x[2]), y1=up, y2=up, class_=f"bar {kind}"))
    if mark.y[1] != mark.y[2]:
        found.append(element("line", x1=at, x2=at, y1=y(mark.y[1]), y2=y(mark.y[2]), class_=f"bar {kind}"))
    told = element("title", escape(f"{mark.name}: {x.axis.shown(mark.x[0])}, {y.axis.shown(mark.y[0])}"))
    found.append(_shape(mark.kind, at, up, f"mark {kind}{'' if mark.kept else ' hollow'}", told))
    if mark.chosen:
        found.append(element("circle", cx=at, cy=up, r=10.0, class_="ring chosen"))
    return found


def _shape(kind: int, at: float, up: float, class_: str, told: str) -> str:
    """A disc, a square, a triangle or a diamond, in turn."""
    r = _RADIUS
    corners = {
        1: ((-r, -r), (r, -r), (r, r), (-r, r)),
        2: ((0, -r - 1), (r + 1, r), (-r - 1, r)),
        3: ((0, -r - 1.5), (r + 1.5, 0), (0, r + 1.5), (-r - 1.5, 0)),
    }.get(kind % 4)
    if corners is None:
        return element("circle", told, cx=at, cy=up, r=r, class_=class_)
    points = " ".join(f"{at + dx:.1f},{up + dy:.1f}" for dx, dy in corners)
    return element("polygon", told, points=points, class_=class_)
