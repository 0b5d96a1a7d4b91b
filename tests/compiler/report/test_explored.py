"""A search for people: the table, the Markdown, the page with its drawings."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.points import point

from edgec.compiler.contract import CLAUSE_KINDS, ClauseResult, Limit, Verdict
from edgec.compiler.exploring.exploration import Exploration, Row
from edgec.compiler.exploring.kept import Failure
from edgec.compiler.exploring.objectives import OBJECTIVES
from edgec.compiler.exploring.point import Measured
from edgec.compiler.exploring.standing import Standing
from edgec.compiler.report.explored import explored_markdown, explored_report, shown
from edgec.compiler.report.page.explored import explored_html
from edgec.compiler.report.page.scatter import Axis, Mark, scatter
from edgec.compiler.report.page.svg import Ids

from .test_page_html import HOSTILE, Reader

SIZE = Limit.parse("60KB", CLAUSE_KINDS["size"], where="")


def row(
    name: str, folder: Path, accuracy: float, seconds: float, size: int, *, beaten_by: str = "", told: str = ""
) -> Row:
    model, _, recipe = name.partition("/")
    status = "met" if size <= 60_000 else "broken"
    return Row(
        name=name,
        model=model,
        recipe=recipe,
        state="beaten" if beaten_by else "front",
        point=point(name, [1] * 9 + [0], size, folder=folder, drop=0.004),
        values={
            "accuracy": Measured(value=accuracy, low=accuracy - 0.01, high=accuracy + 0.01),
            "latency": Measured(value=seconds, low=seconds * 0.97, high=seconds * 1.03),
            "size": Measured.exact(size),
        },
        standing=Standing(front=not beaten_by, beaten_by=beaten_by, told=told),
        verdict=Verdict.of([ClauseResult(id="size", limit=SIZE, measured=size / 1000, status=status)]),  # type: ignore[arg-type]
    )


@pytest.fixture
def found(tmp_path: Path) -> Exploration:
    """Two on the front, one beaten, one that failed, one that is another."""
    failed = Failure(kind="ModelError", message=f"m|x.onnx: {HOSTILE} is wrong. Mend it.", exit_code=2)
    return Exploration(
        target="host",
        objectives=tuple(OBJECTIVES[name] for name in ("accuracy", "latency", "size")),
        rows=(
            row(
                "full/int8",
                tmp_path,
                0.99,
                1.2e-4,
                74_100,
                told="better than half/int8 by no more than noise (accuracy)",
            ),
            row("half/int8", tmp_path, 0.98, 5.6e-5, 26_400),
            row("half/w8", tmp_path, 0.97, 9.8e-5, 31_000, beaten_by="half/int8"),
            Row(name="full/odd", model="full", recipe="odd", state="failed", values={}, failure=failed),
            replace(
                row("half/int8", tmp_path, 0.98, 5.6e-5, 26_400), name="half/same", state="alike", alike="half/int8"
            ),
        ),
        chosen="half/int8",
        reasons=("2 of 3 points keep the contract", "half/int8 is the fastest"),
        contract={"size": "60KB", "proof": "checked"},
        notes=(HOSTILE,),
        date="2026-11-22T04:38:00+00:00",
        exit_code=0,
    )


def test_the_table_of_a_terminal(found: Exploration) -> None:
    console = Console(width=400, file=io.StringIO(), highlight=False, markup=False)
    console.print(*explored_report(found))
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[0] == "candidate accuracy latency size against float contract standing"
    assert lines[1:6] == [
        "full/int8 99pt [98, 100] 0.12 ms [0.116, 0.124] 74.1 kB -0.4pt size broken front, "
        "better than half/int8 by no more than noise (accuracy)",
        "half/int8 98pt [97, 99] 56 us [54.3, 57.7] 26.4 kB -0.4pt kept front, recommended",
        "half/w8 97pt [96, 98] 98 us [95.1, 101] 31.0 kB -0.4pt kept beaten by half/int8",
        "full/odd failed",
        "half/same 98pt [97, 99] 56 us [54.3, 57.7] 26.4 kB -0.4pt kept the same compile as half/int8",
    ]
    assert "because 2 of 3 points keep the contract" in lines
    assert lines[-1].startswith("full/odd: m|x.onnx: ")


def test_markdown_has_a_cell_for_each_column(found: Exploration) -> None:
    text = explored_markdown(found)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 7
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {8}
    assert rows[1] == "|---|---:|---:|---:|---:|---|---|"
    assert rows[3].startswith("| **half/int8** | 98pt [97, 99] | ")
    assert "Recommended for host: half/int8" in text
    assert "- full/odd: m\\|x.onnx: " in text


def test_the_page_nests_and_needs_nothing_else(found: Exploration, tmp_path: Path) -> None:
    html = explored_html(found, tmp_path)
    read = Reader(html)
    assert len(set(read.ids)) == len(read.ids)
    assert set(read.labelled) <= set(read.ids)
    assert read.links == []  # no bundle lies there
    assert read.scripts == 0
    assert read.elements.count("svg") >= 2
    assert "default-src 'none'; style-src 'unsafe-inline'" in html
    assert HOSTILE in "".join(read.words)  # as words, not as elements
    assert html == explored_html(found, tmp_path)


def test_the_page_leads_to_the_recommended_bundle(found: Exploration, tmp_path: Path) -> None:
    (tmp_path / "recommended" / "proof").mkdir(parents=True)
    (tmp_path / "recommended" / "proof" / "report.html").write_text("", encoding="utf-8")
    html = explored_html(replace(found, bundle=tmp_path / "recommended"), tmp_path)
    assert Reader(html).links == ["recommended/proof/report.html"]


def test_a_page_of_failures_alone(found: Exploration, tmp_path: Path) -> None:
    failed = replace(found, rows=(found.rows[3],), chosen="", reasons=("no candidate could be compiled",), exit_code=2)
    read = Reader(explored_html(failed, tmp_path))
    assert "No candidate could be compiled for host" in "".join(read.words)
    assert "polyline" not in read.elements


@pytest.mark.parametrize(
    ("objective", "value", "words"),
    [
        ("latency", 2.5, "2.5 s"),
        ("latency", 0.0123, "12.3 ms"),
        ("latency", 1.2e-5, "12 us"),
        ("size", 1_234_567.0, "1.23 MB"),
        ("memory", 5e6, "5.00 MB"),
        ("sqnr", 33.35, "33.4 dB"),
        ("sqnr", math.inf, "identical"),
    ],
)
def test_numbers_in_words(objective: str, value: float, words: str, found: Exploration) -> None:
    assert shown(objective, Measured.exact(value), found.rows[0]) == words


def drawn(points: Sequence[tuple[float, float]], *, higher: bool, logarithmic: bool = False) -> str:
    marks = [
        Mark(name=f"p{index}", x=(x, x, x), y=(y, y, y), front=True, chosen=index == 0, kept=True, kind=index)
        for index, (x, y) in enumerate(points)
    ]
    across = Axis(name="size", shown=str, logarithmic=logarithmic)
    return str(scatter(Ids(), marks, across, Axis(name="metric", shown=str, higher=higher), 620, 340))


def line_of(svg: str) -> list[tuple[float, float]]:
    (points,) = re.findall(r'<polyline points="([^"]*)"', svg)
    return [(float(a), float(b)) for a, b in (each.split(",") for each in points.split())]


def test_the_line_joins_what_none_beats() -> None:
    # (2, 5) is beaten by (1, 6): the line goes from (1, 6) along to (3, 8), in steps.
    line = line_of(drawn([(1, 6), (2, 5), (3, 8)], higher=True))
    assert len(line) == 3
    assert line[0][1] == line[1][1] > line[2][1]  # up is less in SVG
    assert line[0][0] < line[1][0] == line[2][0]
    # Where less is better in both, the second beats the third, and the first is the leftmost.
    assert len(line_of(drawn([(1, 6), (2, 5), (3, 8)], higher=False))) == 3


@given(st.lists(st.tuples(st.floats(1e-6, 1e9), st.floats(-1e3, 1e3)), min_size=1, max_size=12), st.booleans())
def test_every_point_lies_inside(points: list[tuple[float, float]], logarithmic: bool) -> None:
    svg = drawn(points, higher=True, logarithmic=logarithmic)
    assert "nan" not in svg
    for x, y in line_of(svg):
        assert 0 <= x <= 620
        assert 0 <= y <= 340
    Reader(svg)
