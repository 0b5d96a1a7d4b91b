"""Numbers as people read them: decimal sizes, times, shares."""

from __future__ import annotations

__all__ = ["count", "plural", "seconds", "share", "short_digest", "size"]


def size(number: float) -> str:
    """Bytes with a decimal unit, three digits: `68.1 kB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(number) >= 0.9995 * factor:
            return f"{_three(number / factor)} {unit}"
    return f"{int(number)} B"


def count(number: float) -> str:
    """A large count with a decimal prefix: `35.1 M`."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= 0.9995 * factor:
            return f"{_three(number / factor)} {unit}"
    return str(int(number))


def seconds(number: float) -> str:
    """A duration, three digits: `0.42 ms`, `1.9 s`, `2 min 5 s`."""
    if number >= 90:
        return f"{int(number) // 60} min {int(number) % 60} s"
    if number >= 0.9995:
        return f"{_three(number)} s"
    return f"{_three(number * 1e3)} ms" if number >= 1e-4 else f"{_three(number * 1e6)} us"


def share(number: float) -> str:
    """A ratio in 0..1 as a percentage; never rounded to 0% or 100%."""
    text = f"{100 * number:.1f}"
    if text == "0.0" and number > 0:
        return "<0.1%"
    return "99.9%" if text == "100.0" and number < 1 else f"{text.removesuffix('.0')}%"


def plural(number: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short_digest(digest: str) -> str:
    """The first twelve digits of a sha256."""
    return digest[:12]


def _three(number: float) -> str:
    """Three significant digits without an exponent; those of the integer part are all kept."""
    digits = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{number:.{digits}f}"
