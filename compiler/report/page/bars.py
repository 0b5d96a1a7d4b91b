"""Bundle beside float: bars from nothing, or values with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .numbers import between, number, quantity
from .svg import Ids, chart, element, text

__all__ = ["Bar", "Dot", "bars", "dots"]

_WIDTH, _ROW, _LEFT = 240, 24, 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A length; `main` is what the page is about."""

    label: str
    value: float
    shown: str
    main: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A value and its interval."""

    label: str
    value: float
    interval: tuple[float, float] | None
    main: bool = False


def bars(ids: Ids, rows: Sequence[Bar], *, title: str) -> Markup:
    """Bars that start at nothing, their values written at their ends."""
    longest = max(row.value for row in rows) or 1.0
    most = _WIDTH - _LEFT - 66  # the rest is for what is written at the end
    body = []
    for index, row in enumerate(rows):
        top, length = index * _ROW + 4, max(1.5, row.value / longest * most)
        body += [
            text(_LEFT - 8, top + 12.5, row.label, class_="label", text_anchor="end"),
            element("rect", x=_LEFT, y=top, width=length, height=16, rx=1.5, class_="main" if row.main else "other"),
            text(_LEFT + length + 6, top + 12.5, row.shown, class_="number"),
        ]
    described = "; ".join(f"{row.label} {row.shown}" for row in rows)
    return chart(ids, _WIDTH, len(rows) * _ROW + 2, body, title=title, description=described)


def dots(ids: Ids, rows: Sequence[Dot], *, unit: str, title: str) -> Markup:
    """Values on one axis, which does not start at nothing; its ends are written below."""
    ends = [end for row in rows for end in (row.value, *(row.interval or ()))]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.1 or max(abs(high), 1.0) * 0.01
    low, high = low - room, high + room
    right = _WIDTH - 12

    def at(value: float) -> float:
        return float(_LEFT + (value - low) / (high - low) * (right - _LEFT))

    body = []
    for index, row in enumerate(rows):
        middle, kind = index * _ROW + 12.0, "main" if row.main else "other"
        first, last = row.interval or (row.value, row.value)
        body += [
            text(_LEFT - 8, middle + 4.5, row.label, class_="label", text_anchor="end"),
            element("line", x1=_LEFT, x2=right, y1=middle, y2=middle, class_="axis"),
            element("line", x1=at(first), x2=at(last), y1=middle, y2=middle, class_=f"range {kind}"),
            element("circle", cx=at(row.value), cy=middle, r=4.5, class_=f"mark {kind}"),
        ]
    bottom = len(rows) * _ROW + 12
    body += [
        text(_LEFT, bottom, number(low, 3), class_="tick"),
        text(right, bottom, quantity(float(f"{high:.3g}"), unit), class_="tick", text_anchor="end"),
    ]
    described = "; ".join(
        f"{row.label} {quantity(row.value, unit)}" + (f", {between(row.interval, unit)}" if row.interval else "")
        for row in rows
    )
    return chart(ids, _WIDTH, bottom + 6, body, title=title, description=described)
