"""From measurements to conclusions: the front, the verdicts, the point to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...targets import find_target
from ..building.outcome import exit_code_of
from ..contract import Verdict
from .asked import Asked
from .budget import judged, misses, nearest_point
from .candidate import Candidate
from .exploration import Exploration, Row
from .gather import Gathered
from .measuring import Together
from .objectives import OBJECTIVES, Comparison
from .recommend import recommend
from .standing import Standing, standings

__all__ = ["conclude"]


def conclude(asked: Asked, gathered: Gathered, together: Together, by: Sequence[str]) -> Exploration:
    """Compare and judge all points; the same for the same numbers.

    Args:
        asked: The candidates.
        gathered: What became of them.
        together: Their times and memory.
        by: Names of objectives.
    """
    points, contract = gathered.points, asked.candidates[0].request.contract
    target = find_target(asked.candidates[0].request.target).name
    common: dict[str, Any] = {"target": target, "contract": contract.to_json()}
    common["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    if not points:
        codes = [failure.exit_code for failure in gathered.failures.values()]
        return Exploration(
            **common,
            objectives=tuple(OBJECTIVES[name] for name in by),
            rows=_rows(asked, gathered, None, {}, {}),
            reasons=("no candidate could be compiled",),
            notes=asked.notes,
            exit_code=exit_code_of(codes),
        )
    why = {"latency": together.times.why, "memory": next((each.why for each in together.apart.values()), "")}
    compared = Comparison.of(points, by, latency=together.times.seconds, memory=together.memory(), why=why)
    verdicts = {point.name: judged(point, together.apart.get(point.name)) for point in points}
    rows = _rows(asked, gathered, compared, standings(compared), verdicts)
    within = [name for name, verdict in verdicts.items() if not misses(verdict) and verdict.exit_code == 0]
    best = recommend(compared, within)
    found: dict[str, Any] = {
        **common,
        "objectives": compared.objectives,
        "rows": rows,
        "notes": (*asked.notes, *compared.notes),
    }
    if best is not None:
        return Exploration(**found, chosen=best.point.name, reasons=best.reasons, exit_code=0)
    nearest = nearest_point(points, verdicts)
    missed = ", ".join(f"{each.id} is {each.status}" for each in misses(verdicts[nearest.name]))
    return Exploration(
        **found,
        nearest=nearest.name,
        reasons=(f"no point of {len(points)} keeps the contract", f"{nearest.name} misses it least: {missed}"),
        exit_code=verdicts[nearest.name].exit_code,
    )


def _rows(
    asked: Asked,
    gathered: Gathered,
    compared: Comparison | None,
    standing: Mapping[str, Standing],
    verdicts: Mapping[str, Verdict],
) -> tuple[Row, ...]:
    points = {point.name: point for point in gathered.points}

    def row(candidate: Candidate) -> Row:
        name = asked.alike.get(candidate.name, candidate.name)
        point, failure = points.get(name), gathered.failures.get(name)
        state = "failed" if point is None else "front" if standing[name].front else "beaten"
        values = {} if compared is None else {key: each[name] for key, each in compared.values.items() if name in each}
        return Row(
            name=candidate.name,
            model=candidate.model,
            recipe=candidate.recipe,
            state="alike" if name != candidate.name else state,
            point=point,
            values=values,
            standing=standing.get(name),
            verdict=verdicts.get(name),
            failure=failure,
            alike="" if name == candidate.name else name,
        )

    return tuple(row(candidate) for candidate in asked.candidates)
