"""From candidates to points: what is kept is taken, the rest is tried."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeAlias

from ...bundle import Bundle
from ...errors import InternalError
from ..progress import Progress
from .asked import Asked
from .candidate import Candidate
from .dispatch import run_trials
from .kept import Failure, Kept
from .point import Point, point_of
from .trial import Trial, Tried

__all__ = ["Gathered", "Told", "gather"]

# Told of every candidate as its trial ends: its name, and what came of it.
Told: TypeAlias = Callable[[str, Tried], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """What became of the candidates that differ.

    Attributes:
        points: In the order of their candidates.
        failures: Candidate → why it is no point.
    """

    points: tuple[Point, ...]
    failures: dict[str, Failure] = field(default_factory=dict)


def gather(
    asked: Asked, kept: Kept, *, executor: Executor | None, jobs: int, progress: Progress, told: Told | None
) -> Gathered:
    """Try every candidate that was not finished before.

    Args:
        asked: The candidates.
        kept: Trials that are finished.
        executor: Runs the others; None makes one of `jobs` processes.
        jobs: Processes.
        progress: Who watches.
        told: Told of every candidate as its trial ends.
    """
    known: dict[str, Bundle | Failure] = {}
    tried: dict[str, Tried] = {}
    names = {asked.keys[each.name]: each.name for each in asked.different}
    with progress.stage("trials", len(asked.different)) as advance:

        def end(key: str, done: Tried) -> None:
            tried[key] = done
            advance(1)
            if told is not None:
                told(names[key], done)

        waiting = []
        for candidate in asked.different:
            key = asked.keys[candidate.name]
            found = kept.find(key)
            if found is None:
                waiting.append(Trial(key=key, candidate=candidate, kept=kept))
            else:
                known[key] = found
                end(key, Tried(key=key, failure=found if isinstance(found, Failure) else None, cached=True))
        if waiting:
            run_trials(waiting, executor=executor, jobs=jobs, done=lambda trial, done: end(trial.key, done))
    points, failures = [], dict(asked.failures)
    for candidate in asked.different:
        became = _became(candidate, tried[asked.keys[candidate.name]], known, kept)
        if isinstance(became, Failure):
            failures[candidate.name] = became
        else:
            points.append(became)
    return Gathered(points=tuple(points), failures=failures)


def _became(candidate: Candidate, tried: Tried, known: dict[str, Bundle | Failure], kept: Kept) -> Point | Failure:
    if tried.failure is not None:
        return tried.failure
    bundle = known.get(tried.key) or kept.find(tried.key)
    point = None
    if isinstance(bundle, Bundle):
        point = point_of(candidate, tried.key, bundle, cached=tried.cached, seconds=tried.seconds)
    if point is not None:
        return point
    return Failure.of(
        InternalError(
            candidate.name,
            "was tried, and is not where trials are kept",
            affects=f"Workers that do not see {kept.folder} keep their trials elsewhere",
            remedy="Give -o on a file system that all workers share",
        )
    )
