"""Error by depth: SQNR of every value, from the input to the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from markupsafe import Markup

from .svg import Ids, chart, element, text

__all__ = ["Point", "curve"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 14, 22, 40
_SHOWN = 42
_STEPS = tuple(digit * 10**power for power in range(6) for digit in (1, 2, 5))

# A number's place on the drawing.
Scale = Callable[[float], float]
# Depth, value, SQNR in dB; None where the value is identical.
Point = tuple[int, str, float | None]


def curve(ids: Ids, points: Sequence[Point], width: int, height: int) -> Markup:
    """Draw it, the lowest point by name; identical values are rings at the top.

    Args:
        ids: Names its parts.
        points: Ordered by depth.
        width: Of the drawing.
        height: Of the drawing.
    """
    known = [sqnr for _, _, sqnr in points if sqnr is not None]
    low, high = min([0.0, *known]), max([20.0, *known]) + 4
    deepest = max((depth for depth, _, _ in points), default=1) or 1
    floor = height - _BOTTOM

    def across(depth: float) -> float:
        return _LEFT + depth / deepest * (width - _LEFT - _RIGHT)

    def up(sqnr: float) -> float:
        return floor - (sqnr - low) / (high - low) * (floor - _TOP)

    body = [*_grid(low, high, up, width), *_depths(deepest, across, floor, width)]
    line = " ".join(f"{across(depth):.1f},{up(sqnr):.1f}" for depth, _, sqnr in points if sqnr is not None)
    body.append(element("polyline", points=line, class_="line"))
    radius = 2.0 if len(points) > 120 else 3.0
    for depth, name, sqnr in points:
        told = element("title", escape(f"{name}: {'identical' if sqnr is None else f'{sqnr:.1f} dB'}"))
        y, kind = (_TOP, "same") if sqnr is None else (up(sqnr), "point")
        body.append(element("circle", told, cx=across(depth), cy=float(y), r=radius, class_=kind))
    described = f"{len(points)} values over {deepest + 1} nodes"
    if known:
        depth, name, worst = min(((d, n, s) for d, n, s in points if s is not None), key=lambda each: each[2])
        body += _worst(across(depth), up(worst), f"{_shortened(name)}, {worst:.1f} dB", width)
        described += f"; the lowest is {name} with {worst:.1f} dB, the last {known[-1]:.1f} dB"
    return chart(ids, width, height, body, title="SQNR of every value by depth", description=described)


def _grid(low: float, high: float, up: Scale, width: int) -> list[str]:
    step = next(each for each in (10, 20, 40, 80, 160) if (high - low) / each <= 7 or each == 160)
    found = []
    for level in range(math.ceil(low / step) * step, int(high) + 1, step):
        y = up(level)
        found += [
            element("line", x1=_LEFT, x2=width - _RIGHT, y1=y, y2=y, class_="grid"),
            text(_LEFT - 7, y + 4, str(level).replace("-", "−"), class_="tick", text_anchor="end"),
        ]
    return [*found, text(_LEFT - 32, 11, "SQNR, dB", class_="tick")]


def _depths(deepest: int, across: Scale, floor: int, width: int) -> list[str]:
    step = next((each for each in _STEPS if deepest / each <= 6), _STEPS[-1])
    marks = range(0, deepest + 1, step)
    found = [text(across(mark), floor + 17, str(mark), class_="tick", text_anchor="middle") for mark in marks]
    return [
        *found,
        text((width + _LEFT - _RIGHT) / 2, floor + 34, "depth, in nodes", class_="tick", text_anchor="middle"),
    ]


def _worst(x: float, y: float, words: str, width: int) -> list[str]:
    """The lowest point, ringed and named below, or above where there is no room."""
    side = "start" if x < width * 0.4 else "end" if x > width * 0.6 else "middle"
    return [
        element("circle", cx=x, cy=y, r=6.0, class_="ring"),
        text(x, y + 20, words, class_="callout", text_anchor=side),
    ]


def _shortened(name: str) -> str:
    return name if len(name) <= _SHOWN else f"…{name[1 - _SHOWN :]}"
