"""What points are compared by, and how surely one is better than another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...errors import OptionError
from ..metrics.intervals import metric_intervals
from ..samples.check import nearest
from .point import Measured, Point

__all__ = ["DEFAULT", "OBJECTIVES", "Comparison", "Objective", "check_objectives"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """One thing to have little or much of.

    Attributes:
        id: Its name on the command line.
        what: In a line.
        best: How a point is said to be the best by it.
        higher: More is better.
    """

    id: str
    what: str
    best: str
    higher: bool = False


OBJECTIVES: Mapping[str, Objective] = {
    each.id: each
    for each in (
        Objective(
            id="accuracy", what="the task metric on the evaluation samples", best="the most accurate", higher=True
        ),
        Objective(id="latency", what="one run, one thread", best="the fastest"),
        Objective(id="size", what="model bytes that ship", best="the smallest"),
        Objective(id="memory", what="what opening and running it adds to a new process", best="the least memory"),
        Objective(id="sqnr", what="dB against its own float model", best="the closest to float", higher=True),
    )
}
DEFAULT = ("accuracy", "latency", "size")


def check_objectives(names: Sequence[str], *, models: int) -> None:
    """Refuse names of nothing to compare by.

    Args:
        names: The most important first.
        models: How many different ones are compared.

    Raises:
        OptionError: There is no such objective, it is there twice, or says nothing of different models.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise OptionError(
                f"--by {name}",
                f"is nothing to compare by{nearest(name, list(OBJECTIVES))}",
                remedy=f"Choose among {', '.join(OBJECTIVES)}",
            )
    if len(set(names)) != len(names):
        raise OptionError(f"--by {','.join(names)}", "names one twice", remedy="Name each once")
    if "sqnr" in names and models > 1:
        raise OptionError(
            "--by sqnr",
            "is against each model's own float, and says nothing of one model against another",
            remedy="Compare different models by accuracy",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Points, and the numbers they are compared by.

    Attributes:
        points: In the order of their candidates.
        objectives: The most important first.
        values: Objective → point → number.
        notes: What could not be compared, and why.
    """

    points: tuple[Point, ...]
    objectives: tuple[Objective, ...]
    values: Mapping[str, Mapping[str, Measured]]
    notes: tuple[str, ...] = ()
    _pairs: dict[tuple[str, str], bool] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        points: Sequence[Point],
        names: Sequence[str],
        *,
        latency: Mapping[str, Measured],
        memory: Mapping[str, Measured],
        why: Mapping[str, str],
    ) -> Comparison:
        """Collect the numbers; an objective that not every point has is left out, and a note says so.

        Args:
            points: What to compare.
            names: The most important first; without a metric, recipes of one model go by SQNR instead.
            latency: Seconds by point, where they were measured.
            memory: Bytes by point, where they were measured.
            why: Objective → why it was not measured.
        """
        names, notes = list(names), list[str]()
        missing = next((point for point in points if point.accuracy is None), None)
        if "accuracy" in names and missing is not None:
            reason = (missing.proof["evaluation"] or {}).get("metric_reason") or "there are no evaluation samples"
            one = len({point.candidate.model for point in points}) == 1
            notes.append(f"accuracy is not compared{', SQNR against float is' if one else ''}: {reason}")
            names[names.index("accuracy")] = "sqnr" if one and "sqnr" not in names else ""
        measured: dict[str, dict[str, Measured | None]] = {
            "accuracy": {point.name: point.accuracy for point in points},
            "sqnr": {point.name: point.sqnr for point in points},
            "size": {point.name: point.size for point in points},
            "latency": {point.name: latency.get(point.name) for point in points},
            "memory": {point.name: memory.get(point.name) for point in points},
        }
        values: dict[str, dict[str, Measured]] = {}
        for name in filter(None, names):
            found = {point: value for point, value in measured[name].items() if value is not None}
            if len(found) == len(points):
                values[name] = found
            else:
                notes.append(f"{name} is not compared: {why.get(name) or 'it was not measured of every point'}")
        higher = all(point.metric is None or point.metric.direction == "higher" for point in points)
        chosen = {**OBJECTIVES, "accuracy": replace(OBJECTIVES["accuracy"], higher=higher)}
        return cls(
            points=tuple(points),
            objectives=tuple(chosen[name] for name in values),
            values=values,
            notes=tuple(notes),
        )

    def cost(self, point: Point, objective: Objective) -> float:
        """The number, turned so that less is better."""
        value = self.values[objective.id][point.name].value
        return -value if objective.higher else value

    def costs(self, point: Point) -> tuple[float, ...]:
        """The same by every objective."""
        return tuple(self.cost(point, objective) for objective in self.objectives)

    def surely_better(self, point: Point, than: Point, objective: Objective) -> bool:
        """Whether it is better by more than chance: accuracy in pairs of samples, else intervals that do not meet."""
        if not self.cost(point, objective) < self.cost(than, objective):
            return False
        if objective.id == "accuracy" and _in_pairs(point, than):
            key = (point.name, than.name)
            if key not in self._pairs:
                self._pairs[key] = _more_accurate(point, than)
            return self._pairs[key]
        mine, theirs = (self.values[objective.id][each.name] for each in (point, than))
        return mine.low > theirs.high if objective.higher else mine.high < theirs.low


def _in_pairs(point: Point, than: Point) -> bool:
    """Whether both were scored on the same samples, one by one."""
    if point.records is None or than.records is None or point.metric is None:
        return False
    mine, theirs = (each.proof["evaluation"]["digest"] for each in (point, than))
    return mine == theirs and point.records.shape == than.records.shape


def _more_accurate(point: Point, than: Point) -> bool:
    """Whether the interval of the drop from one to the other leaves nothing out but a loss."""
    assert point.metric is not None
    assert point.records is not None
    found = metric_intervals(point.metric, point.records, than.records, seed=0).drop  # type: ignore[arg-type]
    return found is not None and math.isfinite(found[0]) and found[0] > 0
