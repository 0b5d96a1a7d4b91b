"""How often each value occurs, on a logarithmic axis, and where the integers clip."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from .numbers import number
from .svg import Ids, chart, element, text

__all__ = ["histogram"]

_WIDTH, _HEIGHT = 344, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 24, 30
_FLOOR = 1e-6  # shares below are nothing on a page
# A number's place on the drawing.
Scale = Callable[[float], float]


def histogram(ids: Ids, found: Mapping[str, Any]) -> Markup:
    """Draw one.

    Args:
        ids: Names its parts.
        found: A `ValueHistogram` as JSON: bars are the samples that were observed, the line those that prove.
    """
    low, high = found["span"]
    sets = {name: _shares(counts) for name, counts in found["counts"].items()}
    least = min((share for shares in sets.values() for share in shares if share >= _FLOOR), default=_FLOOR)
    decades = max(1, math.ceil(-math.log10(least)))
    bottom = _HEIGHT - _BOTTOM

    def across(value: float) -> float:
        return float(_LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT))

    def up(share: float) -> float:
        return bottom - (1 + math.log10(max(share, _FLOOR)) / decades) * (bottom - _TOP)

    body = list(_axes(decades, up, low, high, across))
    observed, *others = sets.values()
    wide = (_WIDTH - _LEFT - _RIGHT) / len(observed)
    for index, share in enumerate(observed):
        if share >= _FLOOR:
            top = min(up(share), bottom - 1.0)
            shape = {"x": _LEFT + index * wide, "width": wide * 0.86}
            body.append(element("rect", y=top, height=bottom - top, class_="main", **shape))
    body += [element("path", d=_steps(shares, wide, up, bottom), class_="outline") for shares in others]
    for border in found["clip"]:
        x = across(border)
        side = "start" if x < _LEFT + 30 else "end" if x > _WIDTH - _RIGHT - 30 else "middle"
        body += [
            element("line", x1=x, x2=x, y1=_TOP - 4, y2=bottom, class_="clip"),
            text(x, _TOP - 9, number(border, 3), class_="cliplabel", text_anchor=side),
        ]
    ends = " and ".join(number(border, 3) for border in found["clip"])
    described = f"from {number(low, 3)} to {number(high, 3)}, clipped at {ends}, a step is {number(found['step'], 3)}"
    return chart(ids, _WIDTH, _HEIGHT, body, title=f"histogram of {found['name']}", description=described)


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) or 1.0
    return [count / total for count in counts]


def _axes(decades: int, up: Scale, low: float, high: float, across: Scale) -> list[str]:
    found = []
    every = 1 if decades <= 3 else 2
    for power in range(0, decades + 1, every):
        y = up(10.0**-power)
        found += [
            element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"),
            text(_LEFT - 6, y + 4, _percent(power), class_="tick", text_anchor="end"),
        ]
    marks = [(low, "start"), (high, "end")]
    if low < 0 < high and min(across(0) - across(low), across(high) - across(0)) > 60:
        marks.append((0.0, "middle"))
    return [
        *found,
        *(
            text(across(value), _HEIGHT - _BOTTOM + 16, number(value, 3), class_="tick", text_anchor=side)
            for value, side in marks
        ),
    ]


def _percent(power: int) -> str:
    return f"{10.0 ** (2 - power):g}%".replace("1e-05", "10⁻⁵").replace("0.0001", "10⁻⁴").replace("0.001", "10⁻³")


def _steps(shares: Sequence[float], wide: float, up: Scale, bottom: float) -> str:
    """The outline of the bars, as one path."""
    points = [f"M{_LEFT} {bottom}"]
    for index, share in enumerate(shares):
        y = min(up(share), bottom) if share >= _FLOOR else bottom
        points.append(f"V{y:.1f}H{_LEFT + (index + 1) * wide:.1f}")
    return "".join([*points, f"V{bottom}"])
