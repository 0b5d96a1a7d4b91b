"""Points against the contract: what the trials proved, and the times and the memory that are measured at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..compile import load_for
from ..contract import ClauseResult, Verdict
from ..loading.source import is_onnx
from ..older import target_of
from ..progress import Progress
from ..prove import measure
from ..proving.float_model import FloatModel
from ..proving.judge import judge, judge_sizes
from .limits import MEASURED, SIZES, limits
from .point import Point

__all__ = ["Apart", "float_model_of", "judged", "measure_apart", "misses", "nearest_point"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Apart:
    """What was measured of one point while nothing else of the search ran.

    Attributes:
        results: Clause by clause, as a verdict has them.
        memory: Bytes that opening and running it added to a new process; None where nobody knows, with the reason.
        why: That reason.
        excused: Clauses that only the target's own kernels could answer, where they are not here.
    """

    results: Sequence[Mapping[str, Any]] = ()
    memory: float | None = None
    why: str = ""
    excused: Sequence[str] = ()


def measure_apart(point: Point, progress: Progress, *, memory: bool) -> Apart:
    """Measure what a clock and the system's memory show.

    Args:
        point: Which.
        progress: Who watches.
        memory: Measure memory, whether or not the contract limits it.

    Raises:
        ModelError: A model cannot be opened.
        HostError: The place fails.
    """
    asked = limits(point.candidate.request.contract, MEASURED)
    memory = memory or asked.clause("peak_memory") is not None
    timed = any(clause.id != "peak_memory" for clause in asked.clauses)
    proof = measure(
        point.bundle,
        float_model=float_model_of(point) if timed else None,
        threads=(1,) if timed else (),
        progress=progress,
        probe=False,
        memory=memory,
    )
    wanted = {clause.id for clause in asked.clauses}
    verdict = judge(asked, proof)
    return Apart(
        results=[result.to_json() for result in verdict.results if result.id in wanted],
        memory=None if proof.memory is None else float(proof.memory.added),
        why=proof.memory_reason or proof.unexecuted,
        excused=sorted(wanted & verdict.excused),
    )


def float_model_of(point: Point) -> FloatModel:
    """What a point is compared with: the file where it is ONNX, else the model that is built from it."""
    request = point.candidate.request
    assert isinstance(request.model, str | Path)
    if is_onnx(request.model):
        return str(request.model)
    return load_for(request, target_of(request), request.shapes).before


def judged(point: Point, apart: Apart | None) -> Verdict:
    """The verdict of a point, in the contract's order: what its trial proved, its sizes, what was measured apart."""
    contract, bytes_ = point.candidate.request.contract, point.proof["size"]
    sizes = judge_sizes(limits(contract, SIZES).clauses, bytes_["bundle_bytes"], bytes_["float_bytes"])
    measured = [] if apart is None else [ClauseResult.from_json(each) for each in apart.results]
    tried = [ClauseResult.from_json(each) for each in point.verdict["results"]]
    by_id = {each.id: each for each in (*tried, *sizes, *measured)}
    order = dict.fromkeys((*(clause.id for clause in contract.all_clauses), *by_id))
    executed = bool(point.proof["executed"]) and not (point.proof["older"] or {}).get("missing")
    return Verdict.of(
        [by_id[name] for name in order if name in by_id],
        executed=executed,
        excused={*point.verdict["excused"], *(() if apart is None else apart.excused)},
        notes=tuple(point.verdict["notes"]),
    )


def misses(verdict: Verdict) -> list[ClauseResult]:
    """Clauses that keep a point from meeting its budget."""
    return [each for each in verdict.results if each.status != "met" and each.id not in verdict.excused]


def nearest_point(points: Sequence[Point], verdicts: Mapping[str, Verdict]) -> Point:
    """The point that misses least: the fewest limits broken, then the fewest undecided, then by the least share.

    Args:
        points: At least one, in the order of their candidates; of those alike the first is taken.
        verdicts: By point.
    """

    def far(point: Point) -> tuple[int, int, float]:
        missed = misses(verdicts[point.name])
        broken = [each for each in missed if each.status == "broken"]
        return len(broken), len(missed) - len(broken), sum(map(_share, broken))

    return min(points, key=far)


def _share(result: ClauseResult) -> float:
    """How far a broken clause is from its limit, as a share of the limit."""
    if result.limit is None or result.measured is None:
        return math.inf
    return abs(result.measured - result.limit.value) / max(abs(result.limit.value), 1e-9)
