"""What a search found, as a value: every candidate, the front, the point to take and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract import Verdict
from .kept import Failure
from .objectives import Objective
from .point import Measured, Point
from .standing import Standing

__all__ = ["Exploration", "Row"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One candidate.

    Attributes:
        name, model, recipe: Which.
        state: `front`, `beaten`, `failed` or `alike` (the same compile as another).
        point: What was made of it; None where nothing was.
        values: Objective → number.
        standing: Among the other points.
        verdict: Against the contract.
        failure: Why nothing was made.
        alike: The candidate whose compile it shares.
    """

    name: str
    model: str
    recipe: str
    state: str
    point: Point | None = None
    values: Mapping[str, Measured]
    standing: Standing | None = None
    verdict: Verdict | None = None
    failure: Failure | None = None
    alike: str = ""

    def to_json(self) -> dict[str, Any]:
        """The candidate as JSON values."""
        point = self.point
        scored = None if point is None else point.scored
        return {
            "name": self.name,
            "model": self.model,
            "recipe": self.recipe,
            "state": self.state,
            "alike": self.alike or None,
            "scheme": None if point is None else point.bundle.manifest["scheme"],
            "values": {name: value.to_json() for name, value in self.values.items()},
            "metric": None
            if scored is None
            else {
                name: scored[name] for name in ("name", "unit", "n", "value", "float_value", "drop", "drop_interval")
            },
            "beaten_by": (self.standing and self.standing.beaten_by) or None,
            "noise": (self.standing and self.standing.told) or None,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "error": None if self.failure is None else self.failure.message,
            "exit_code": self.failure.exit_code if self.failure else self.verdict.exit_code if self.verdict else None,
            "cached": None if point is None else point.cached,
            "seconds": None if point is None else round(point.seconds, 3),
            "bundle": None if point is None else str(point.bundle.path),
            "digest": None if point is None else point.bundle.digest,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """A search that came to its end.

    Attributes:
        target: The device.
        objectives: What points were compared by, the most important first.
        rows: One per candidate, in their order.
        chosen: The recommended candidate; "" where no point keeps the contract.
        nearest: The point that misses the contract least, where none keeps it; "" where there is no point at all.
        reasons: Why it is that one.
        bundle: The recommended bundle, proved once more; None where there is none.
        verdict: Of that.
        contract: The limits, as they would stand in `[contract]`.
        notes: What else to know.
        date: When; UTC, ISO 8601.
        exit_code: The verdict's; without a recommendation that of the nearest point, or of the failures.
    """

    target: str
    objectives: Sequence[Objective]
    rows: tuple[Row, ...]
    chosen: str = ""
    nearest: str = ""
    reasons: tuple[str, ...] = ()
    bundle: Path | None = None
    verdict: Verdict | None = None
    contract: Mapping[str, object]
    notes: tuple[str, ...] = ()
    date: str
    exit_code: int

    @property
    def front(self) -> tuple[str, ...]:
        """Names of the points that none beats."""
        return tuple(row.name for row in self.rows if row.state == "front")

    def row(self, name: str) -> Row:
        """The candidate of that name."""
        return next(row for row in self.rows if row.name == name)

    def to_json(self) -> dict[str, Any]:
        """The search as JSON values."""
        return {
            "schema_version": "1",
            "date": self.date,
            "target": self.target,
            "contract": dict(self.contract),
            "objectives": [{"id": each.id, "better": "more" if each.higher else "less"} for each in self.objectives],
            "candidates": [row.to_json() for row in self.rows],
            "front": list(self.front),
            "recommended": self.chosen or None,
            "nearest": self.nearest or None,
            "reasons": list(self.reasons),
            "bundle": None if self.bundle is None else str(self.bundle),
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "notes": list(self.notes),
            "exit_code": self.exit_code,
        }
