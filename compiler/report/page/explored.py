"""The page of a search: what is recommended, drawings of the front, every candidate."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ..explored import against_float, headline, shown, stands
from ..units import plural, seconds, size
from .numbers import number
from .origin import when
from .scatter import Axis, Mark, scatter
from .svg import Ids
from .write import environment, style

if TYPE_CHECKING:
    from ...exploring.exploration import Exploration, Row
    from ...exploring.objectives import Objective

__all__ = ["explored_html"]

_SHAPES = ("disc", "square", "triangle", "diamond")
_WIDTH, _HEIGHT = 620, 340


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateRow:
    """One candidate: its sign, name, numbers with their intervals, and where it stands."""

    word: str
    name: str
    scheme: str
    numbers: tuple[tuple[str, str], ...]
    drop: str
    missed: str
    stands: str


def explored_html(found: Exploration, folder: Path) -> str:
    """The page; the same for the same search.

    Args:
        found: The search.
        folder: Where the page lies, for links to the recommended bundle's own.
    """
    ids = Ids()
    page = None if found.bundle is None else found.bundle / "proof" / "report.html"
    counts = {state: sum(row.state == state for row in found.rows) for state in ("front", "beaten", "failed", "alike")}
    drawn = _drawings(found, ids)
    return (
        environment()
        .get_template("explored.html")
        .render(
            headline=headline(found),
            word=found.verdict.word if found.verdict else "broken" if found.nearest else "failed",
            reasons=found.reasons,
            link="" if page is None or not page.is_file() else Path(os.path.relpath(page, folder)).as_posix(),
            lead=f"{plural(len(found.rows), 'candidate')}: "
            + ", ".join(f"{many} {state}" for state, many in counts.items() if many),
            date=when(found.date),
            target=found.target,
            limits=[(name, str(limit)) for name, limit in found.contract.items() if name != "proof"],
            drawings=drawn,
            shapes=_legend(found) if drawn else (),
            objectives=found.objectives,
            rows=[_row(row, found) for row in found.rows],
            errors=[(row.name, row.failure.message) for row in found.rows if row.failure and not row.alike],
            notes=found.notes,
            css=style(),
        )
    )


def _row(row: Row, found: Exploration) -> CandidateRow:
    missed = [each for each in row.verdict.results if each.status != "met"] if row.verdict else []
    return CandidateRow(
        word="failed" if row.verdict is None else row.verdict.word,
        name=row.name,
        scheme="" if row.point is None else str(row.point.bundle.manifest["scheme"]),
        numbers=tuple(_parted(shown(each.id, row.values.get(each.id), row)) for each in found.objectives),
        drop=against_float(row).replace("-", "−"),
        missed=", ".join(f"{each.id} {each.status}" for each in missed if each.status != "unknown" or each.limit),
        stands=stands(row, found),
    )


def _parted(words: str) -> tuple[str, str]:
    """A number and its interval: `98pt [96.6, 99.2]` is `98pt`, `96.6 to 99.2`."""
    value, _, ends = words.partition(" [")
    return value.replace(" us", " µs"), ends.rstrip("]").replace(", ", " to ")


def _drawings(found: Exploration, ids: Ids) -> list[Markup]:
    """The first objective against each of the others; none where there are fewer than two."""
    rows = [row for row in found.rows if row.point is not None and not row.alike]
    if not rows or len(found.objectives) < 2:
        return []
    first, *others = found.objectives
    return [
        scatter(ids, _marks(rows, found, other, first), _axis(other, rows), _axis(first, rows), _WIDTH, _HEIGHT)
        for other in others
        if all(math.isfinite(row.values[each.id].value) for row in rows for each in (first, other))
    ]


def _marks(rows: list[Row], found: Exploration, across: Objective, up: Objective) -> list[Mark]:
    models = list(dict.fromkeys(row.model for row in found.rows))

    def ends(row: Row, objective: Objective) -> tuple[float, float, float]:
        value = row.values[objective.id]
        return value.value, value.low, value.high

    return [
        Mark(
            name=row.name,
            x=ends(row, across),
            y=ends(row, up),
            front=row.state == "front",
            chosen=row.name == found.chosen,
            kept=row.verdict is not None and row.verdict.exit_code == 0,
            kind=models.index(row.model),
        )
        for row in rows
    ]


def _axis(objective: Objective, rows: list[Row]) -> Axis:
    if objective.id == "accuracy":
        scored = next(row.point.scored for row in rows if row.point is not None)
        unit, name = ("", "accuracy") if scored is None else (scored["unit"], scored["name"])
        factor = 100.0 if unit == "pt" else 1.0
        return Axis(
            name=f"{name}, {unit}" if unit else name,
            shown=lambda value: number(value * factor),
            higher=objective.higher,
        )
    if objective.id == "sqnr":
        return Axis(name="SQNR, dB", shown=number, higher=True)
    factors = all(row.values[objective.id].low > 0 for row in rows)
    words = seconds if objective.id == "latency" else size
    return Axis(name=f"{objective.id} ({objective.what})", shown=words, logarithmic=factors)


def _legend(found: Exploration) -> list[tuple[str, str]]:
    """Which shape is which model."""
    models = list(dict.fromkeys(row.model for row in found.rows))
    return [(model, _SHAPES[index % len(_SHAPES)]) for index, model in enumerate(models)] if len(models) > 1 else []
