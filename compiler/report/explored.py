"""A search for people: one row a candidate, as a table on the terminal and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from .layout import facts, heading, lines, table
from .markdown import cell
from .units import size

if TYPE_CHECKING:
    from ..exploring.exploration import Exploration, Row
    from ..exploring.point import Measured

__all__ = ["against_float", "explored_markdown", "explored_report", "headline", "shown", "stands"]

_STYLES = {"front": "green", "failed": "red"}
_CLAUSES = {"proved": "kept", "checked": "kept, checked"}


def explored_report(found: Exploration) -> list[RenderableType]:
    """The table of a search, what is recommended and why, the errors."""
    rows: list[tuple[RenderableType, ...]] = [
        (
            Text(row.name, style="bold" if row.name == found.chosen else ""),
            *_cells(row, found)[1:-1],
            _standing(row, found),
        )
        for row in found.rows
    ]
    parts: list[RenderableType] = [table(_columns(found), rows, right=_columns(found)[1:-2])]
    parts += [heading("Recommended" if found.chosen else "Not met"), facts(_conclusion(found))]
    errors = lines(f"{row.name}: {row.failure.message}" for row in found.rows if row.failure and not row.alike)
    if errors is not None:
        parts += [heading("Errors"), errors]
    return parts


def explored_markdown(found: Exploration) -> str:
    """The same as GitHub-flavoured Markdown."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Exploration) -> Iterator[str]:
    yield "### edgec search"
    yield ""
    yield headline(found)
    yield ""
    columns = _columns(found)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join('---:' if name in columns[1:-2] else '---' for name in columns)}|"
    for row in found.rows:
        name, *others = _cells(row, found)
        yield (
            "| " + " | ".join(cell(each) for each in (f"**{name}**" if name == found.chosen else name, *others)) + " |"
        )
    yield ""
    yield from (f"- {each}" for each in (*found.reasons, *found.notes))
    for row in found.rows:
        if row.failure is not None and not row.alike:
            yield f"- {row.name}: {cell(row.failure.message)}"


def headline(found: Exploration) -> str:
    """What a search came to, in a sentence."""
    if found.chosen:
        return f"Recommended for {found.target}: {found.chosen}"
    if found.nearest:
        return f"No point keeps the contract for {found.target}; the nearest is {found.nearest}"
    return f"No candidate could be compiled for {found.target}"


def _conclusion(found: Exploration) -> Iterator[tuple[str, RenderableType | None]]:
    yield "point", found.chosen or found.nearest or "none"
    yield "because", lines(found.reasons)
    yield "bundle", None if found.bundle is None else str(found.bundle)
    yield "verdict", None if found.verdict is None else found.verdict.word
    yield "notes", lines(found.notes)


def _columns(found: Exploration) -> tuple[str, ...]:
    return ("candidate", *(each.id for each in found.objectives), "against float", "contract", "standing")


def _cells(row: Row, found: Exploration) -> tuple[str, ...]:
    values = [shown(each.id, row.values.get(each.id), row) for each in found.objectives]
    return (row.name, *values, against_float(row), _kept(row), stands(row, found))


def shown(objective: str, value: Measured | None, row: Row) -> str:
    """A number with its interval, as people read it; "" where there is none."""
    if value is None:
        return ""
    if not math.isfinite(value.value):
        return "identical"
    if objective == "accuracy":
        scored = row.point.scored if row.point is not None else None
        unit = "" if scored is None else scored["unit"]
        factor = 100.0 if unit == "pt" else 1.0
        ends = f" [{value.low * factor:.3g}, {value.high * factor:.3g}]" if value.low != value.high else ""
        return f"{value.value * factor:.4g}{unit}{ends}"
    if objective == "sqnr":
        return f"{value.value:.1f} dB"
    if objective == "latency":
        return _time(value)
    return size(value.value)


def _time(value: Measured) -> str:
    """Three digits in one unit: `0.124 ms [0.12, 0.128]`."""
    unit, factor = next(
        ((unit, each) for unit, each in (("s", 1.0), ("ms", 1e3)) if value.value * each >= 0.1), ("us", 1e6)
    )
    ends = f" [{value.low * factor:.3g}, {value.high * factor:.3g}]" if value.low != value.high else ""
    return f"{value.value * factor:.3g} {unit}{ends}"


def against_float(row: Row) -> str:
    """How much better or worse than its own float model: `-0.4pt`."""
    scored = row.point.scored if row.point is not None else None
    if scored is None or scored["drop"] is None:
        return ""
    change = -scored["drop"] * (100.0 if scored["unit"] == "pt" else 1.0)
    return f"{change:+.3g}{scored['unit']}" if change else f"0{scored['unit']}"


def _kept(row: Row) -> str:
    if row.verdict is None:
        return ""
    missed = [each for each in row.verdict.results if each.status != "met" and each.id not in row.verdict.excused]
    return _CLAUSES.get(row.verdict.word) or ", ".join(f"{each.id} {each.status}" for each in missed)


def stands(row: Row, found: Exploration) -> str:
    """Where a candidate stands, in words."""
    if row.alike:
        return f"the same compile as {row.alike}"
    if row.standing is None:
        return "failed"
    words = ["front" if row.standing.front else f"beaten by {row.standing.beaten_by}"]
    if row.name == found.chosen:
        words.append("recommended")
    return ", ".join([*words, row.standing.told] if row.standing.told else words)


def _standing(row: Row, found: Exploration) -> Text:
    return Text(stands(row, found), style=_STYLES.get(row.state, ""))
