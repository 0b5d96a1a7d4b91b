"""Two plots as SVG text: a curve over depth, a histogram with clip points. No library, no colours but three."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

__all__ = ["curve_svg", "histogram_svg"]

_WIDTH, _HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 44
_INK, _MAIN, _MARK = "#444", "#2b6cb0", "#c53030"
_BARS = 120


def curve_svg(title: str, points: Sequence[tuple[int, str, float]]) -> str:
    """SQNR in dB over depth; every point says its value's name.

    Args:
        title: Above the plot.
        points: (depth, value, SQNR); identical values (infinite SQNR) are drawn at the top.
    """
    finite = [sqnr for _, _, sqnr in points if math.isfinite(sqnr)]
    low, high = min([0.0, *finite]), max([10.0, *finite]) * 1.05
    deepest = max((depth for depth, _, _ in points), default=1) or 1
    drawn = [
        (_across(depth / deepest), _up((_held(sqnr, low, high) - low) / (high - low)), name, sqnr)
        for depth, name, sqnr in points
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in drawn)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{_MAIN}"><title>{escape(f"{name}: {_text(sqnr)}")}</title>'
        "</circle>"
        for x, y, name, sqnr in drawn
    )
    body = f'<polyline points="{line}" fill="none" stroke="{_MAIN}" stroke-width="1.4"/>{dots}'
    return _page(title, body, _ticks(0, deepest, whole=True), _rises(low, high), "depth (node)", "SQNR, dB")


def histogram_svg(
    title: str, edges: np.ndarray, counts: np.ndarray, *, clip: tuple[float, float], note: str = ""
) -> str:
    """How often each value occurs, on a logarithmic axis, and where it is clipped.

    Args:
        title: Above the plot.
        edges: Bin borders, ascending, shape (bins + 1,).
        counts: Shape (bins,).
        clip: What the integers can hold.
        note: Below the plot.
    """
    low, high = min(float(edges[0]), clip[0]), max(float(edges[-1]), clip[1])
    low, high = (low, high) if high > low else (low - 1.0, low + 1.0)
    bars = _rebinned(edges, counts, low, high)
    tallest = math.log10(max(10.0, float(bars.max(initial=1.0))))
    width = (_WIDTH - _LEFT - _RIGHT) / _BARS
    drawn = []
    for k, bar in enumerate(bars):
        if bar > 0:
            # One element, or its share of a wide bin, is still seen: a bar starts a little above nothing.
            y = _up((math.log10(max(bar, 1.0)) + 0.15) / (tallest + 0.15))
            drawn.append(
                f'<rect x="{_across(k / _BARS):.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" '
                f'height="{_up(0) - y:.1f}" fill="{_MAIN}"/>'
            )
    for border in clip:
        x = _across((border - low) / (high - low))
        drawn.append(
            f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_up(0)}" stroke="{_MARK}" stroke-dasharray="5 3"/>'
            f'<text x="{x:.1f}" y="{_TOP - 4}" fill="{_MARK}" text-anchor="middle">{border:.3g}</text>'
        )
    rises = [((k + 0.15) / (tallest + 0.15), f"1e{k}") for k in range(int(tallest) + 1)]
    return _page(title, "".join(drawn), _ticks(low, high), rises, f"value{note and ': ' + note}", "elements")


def _rebinned(edges: np.ndarray, counts: np.ndarray, low: float, high: float) -> np.ndarray:
    """Counts over equal bins; a wide bin is spread evenly."""
    total = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    borders = np.linspace(low, high, _BARS + 1)
    return np.asarray(np.diff(np.interp(borders, edges, total)))


def _page(
    title: str,
    body: str,
    along: Sequence[tuple[float, str]],
    rises: Sequence[tuple[float, str]],
    x_label: str,
    y_label: str,
) -> str:
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_up(at):.1f}" y2="{_up(at):.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 6}" y="{_up(at) + 4:.1f}" text-anchor="end">{text}</text>'
        for at, text in rises
    ) + "".join(
        f'<text x="{_across(at):.1f}" y="{_up(0) + 16:.1f}" text-anchor="middle">{text}</text>' for at, text in along
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="{_INK}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
        f'<text x="{_LEFT}" y="14" font-size="13">{escape(title)}</text>{grid}{body}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(12 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
        "</svg>\n"
    )


def _across(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _up(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _ticks(low: float, high: float, *, whole: bool = False) -> list[tuple[float, str]]:
    steps = 5
    places = [k / steps for k in range(steps + 1)]
    numbers = [low + at * (high - low) for at in places]
    return [(at, f"{number:.0f}" if whole else f"{number:.3g}") for at, number in zip(places, numbers, strict=True)]


def _rises(low: float, high: float) -> list[tuple[float, str]]:
    step = 10 if high - low <= 80 else 20
    first = math.ceil(low / step) * step
    return [((level - low) / (high - low), str(level)) for level in range(first, int(high) + 1, step)]


def _held(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _text(sqnr: float) -> str:
    return f"{sqnr:.1f} dB" if math.isfinite(sqnr) else "identical" if sqnr > 0 else "no signal"
