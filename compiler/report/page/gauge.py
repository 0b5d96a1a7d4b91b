"""A measured value with its interval beside the limit it has to keep."""

from __future__ import annotations

from markupsafe import Markup

from .numbers import between, quantity
from .svg import Ids, chart, element

__all__ = ["gauge"]

_WIDTH, _HEIGHT, _EDGE = 136, 24, 8
_MIDDLE = 12.0


def gauge(
    ids: Ids, values: tuple[float, float, float], limit: float, *, upper: bool, status: str, name: str, unit: str | None
) -> Markup:
    """Draw one.

    Args:
        ids: Names its parts.
        values: Measured, and the ends of its interval.
        limit: In the same unit.
        upper: The limit is the most it may be.
        status: Of the clause; the mark's shape says it, too.
        name: Of what is measured, for its description.
        unit: Of all of them.
    """
    seen = (*values, limit)
    # A size or a ratio is seen against nothing; an accuracy of 97% is not.
    low, high = min(0.0, *seen) if upper and min(seen) >= 0 else min(seen), max(seen)
    room = (high - low) * 0.08 or max(abs(high), 1.0) * 0.08
    low, high = low - (0 if low == 0 else room), high + room

    def at(value: float) -> float:
        return _EDGE + (value - low) / (high - low) * (_WIDTH - 2 * _EDGE)

    allowed = (float(_EDGE), at(limit)) if upper else (at(limit), float(_WIDTH - _EDGE))
    measured, first, last = (at(value) for value in values)
    bounds = between((values[1], values[2]), unit) if values[1] != values[2] else ""
    described = f"{quantity(values[0], unit)}{bounds and f', interval {bounds}'}; limit {quantity(limit, unit)}"
    body = (
        element("rect", x=allowed[0], y=7, width=max(0.0, allowed[1] - allowed[0]), height=10, class_="allowed"),
        element("line", x1=_EDGE, x2=_WIDTH - _EDGE, y1=_MIDDLE, y2=_MIDDLE, class_="axis"),
        element("line", x1=at(limit), x2=at(limit), y1=2, y2=22, class_="limit"),
        element("line", x1=first, x2=last, y1=_MIDDLE, y2=_MIDDLE, class_=f"range {status}"),
        _mark(measured, status),
    )
    return chart(ids, _WIDTH, _HEIGHT, body, title=f"{name} against its limit", description=described, class_="gauge")


def _mark(x: float, status: str) -> str:
    """A disc where the clause is met, a diamond where it is broken, a ring where it is not decided."""
    if status == "broken":
        points = f"{x - 6:.1f},12 {x:.1f},6 {x + 6:.1f},12 {x:.1f},18"
        return element("polygon", points=points, class_="mark broken")
    return element("circle", cx=x, cy=_MIDDLE, r=4.5, class_=f"mark {status}")
