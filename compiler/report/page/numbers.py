"""Numbers as a printed page has them: a true minus, a unit that stays with its number, digits that are known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..units import plural, seconds

__all__ = ["between", "duration", "limit_text", "number", "quantity", "signed"]

_CLOSE = frozenset({"%", "×", ""})  # units that follow without a space
_LIMIT = re.compile(r"\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*(\S*)\s*")
_COUNTED = {"node": "node", "nodes": "node", "partition": "partition", "partitions": "partition"}
_WORDS = {"max": "at most", "min": "at least"}


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits; those of its integer part are all kept."""
    if value and abs(value) < 1e-4:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa} × 10{_raised(int(exponent))}".replace("-", "−")
    text = f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return text.replace("-", "−").removeprefix("−") if float(text) == 0 else text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A difference, its sign always shown."""
    return number(value, digits) if value <= 0 else f"+{number(value, digits)}"


def quantity(value: float, unit: str | None) -> str:
    """A number and its unit: `35.65 dB`, `0.38×`, `12%`."""
    if unit in _COUNTED:
        return plural(round(value), _COUNTED[unit])
    shown = {"x": "×", "abs": "", "cos": "", "version": "", "release": ""}.get(unit or "", unit or "")
    return number(value) + ("" if shown in _CLOSE else "\N{NO-BREAK SPACE}") + shown


def duration(value: float) -> str:
    """`0.42 ms`, `11.6 µs`."""
    return seconds(value).replace(" us", " µs").replace(" ", "\N{NO-BREAK SPACE}")


def between(interval: Sequence[float] | None, unit: str | None = "") -> str:
    """`0.36 to 0.39×`; "" for none."""
    if interval is None:
        return ""
    low, high = interval
    shown = quantity(float(f"{high:.3g}"), unit)
    return f"{number(low, 3)} to {shown}"


def limit_text(result: Mapping[str, Any], direction: str) -> str:
    """`at most 1 pt`; "" for a clause without a limit."""
    if result["unit"] == "release":  # 1.20 is no number
        return f"to open in {result['limit']}"
    match = _LIMIT.fullmatch(result["limit"] or "")
    if match is None:
        return str(result["limit"] or "")
    return f"{_WORDS[direction]} {quantity(float(match[1]), match[2])}"


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
