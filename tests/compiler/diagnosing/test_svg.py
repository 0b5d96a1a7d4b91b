"""Plots are well-formed, show every point, and mark where values are clipped."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np

from edgec.compiler.diagnosing.svg import curve_svg, histogram_svg

SPACE = "{http://www.w3.org/2000/svg}"


def elements(svg: str, name: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(f".//{SPACE}{name}")


def test_a_point_for_every_value_named_as_it_is() -> None:
    points = [(0, "x", math.inf), (3, "a<b>&c", 31.44), (9, "y", -math.inf)]
    svg = curve_svg("Error & depth", points)
    assert [title.text for title in elements(svg, "title")] == ["x: identical", "a<b>&c: 31.4 dB", "y: no signal"]
    heights = [float(circle.get("cy", "nan")) for circle in elements(svg, "circle")]
    assert heights == sorted(heights), "less SQNR is drawn lower"
    across = [float(circle.get("cx", "nan")) for circle in elements(svg, "circle")]
    assert across[1] - across[0] < across[2] - across[1]


def test_a_curve_without_points() -> None:
    assert elements(curve_svg("nothing", []), "circle") == []


def test_bars_and_clip_points() -> None:
    svg = histogram_svg(
        "gate", np.asarray([-10.0, -1.0, 1.0, 10.0]), np.asarray([5, 1000, 0]), clip=(-2.0, 20.0), note="a <step>"
    )
    dashed = [line for line in elements(svg, "line") if line.get("stroke-dasharray")]
    assert len(dashed) == 2
    left, right = (float(line.get("x1", "nan")) for line in dashed)
    bars = [rect for rect in elements(svg, "rect") if rect.get("height") != "300"]
    spans = [(float(bar.get("x", "nan")), float(bar.get("height", "nan"))) for bar in bars]
    assert min(x for x, _ in spans) < left < max(x for x, _ in spans) < right
    tallest = max(height for _, height in spans)
    assert all(height < tallest for x, height in spans if x < left)
    assert any("a <step>" in (text.text or "") for text in elements(svg, "text"))


def test_one_value_alone() -> None:
    svg = histogram_svg("constant", np.asarray([0.0, 0.0]), np.asarray([7]), clip=(0.0, 0.0))
    assert elements(svg, "svg") == []
    assert len(elements(svg, "line")) >= 2
