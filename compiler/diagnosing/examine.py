"""Examine a case: take each cause out in turn, name the one without which the error is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...runtimes import runtime
from ..progress import Progress
from ..samples import Samples, split
from ..searching.bench import Bench, open_bench
from .as_written import AsWritten
from .case import Case, Site
from .causes import CAUSES, Cause
from .finding import Finding, decibels_of
from .laboratory import noise_of
from .portrait import portraits

__all__ = ["Benches", "examined", "named", "opened"]

# A more specific cause is named when it explains nine tenths of what the best one does.
_AS_GOOD = 0.9
_SITES = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Benches:
    """Where experiments are scored.

    Attributes:
        seen: Calibration samples.
        before: Noise over signal of the bundle on them.
        written, written_before: The same with Q/DQ run as they are written, for experiments.
        unseen: Evaluation samples that no experiment observes; None without them.
        unseen_before: The bundle's noise on those.
    """

    seen: Bench
    before: float
    written: Bench
    written_before: float
    unseen: Bench | None = None
    unseen_before: float | None = None


def opened(case: Case, evaluation: Samples | None, threads: int) -> tuple[Case, Benches]:
    """Open the benches, and look at the evaluation samples: half of them may be observed, the others judge."""
    # Wherever the bundle ships to: changes are compared in this process.
    place, laboratory = runtime("onnxruntime-cpu"), case.laboratory
    bundle = laboratory.variant(case.passes)
    seen = open_bench(place, laboratory.model, laboratory.calibration, threads=threads)
    written = replace(seen, runtime=AsWritten(place))
    benches = Benches(
        seen=seen, before=noise_of(seen, bundle), written=written, written_before=noise_of(written, bundle)
    )
    if evaluation is None or len(evaluation) < 2:
        return case, benches
    observed, held = split(evaluation, held_out=0.5, seed=0)
    case = replace(
        case,
        unseen=portraits(laboratory, case.passes, case.decided, observed),
        recalibration=observed,
    )
    unseen = open_bench(place, laboratory.model, held, threads=threads)
    return case, replace(benches, unseen=unseen, unseen_before=noise_of(unseen, bundle))


def examined(case: Case, benches: Benches, progress: Progress) -> list[Finding]:
    """Every cause that has evidence, with what is left without it; the one that is named first."""
    found = []
    with progress.stage("examine", len(CAUSES)) as advance:
        for cause in CAUSES:
            sites = tuple(cause.sites(case))
            if sites:
                found.append(_experiment(case, benches, cause, sites))
            advance(1)
    return _ordered(found)


def named(findings: Sequence[Finding]) -> Finding | None:
    """The finding that explains the error; None when none does."""
    return next((each for each in findings if each.explains), None)


def _ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The most specific of those that explain it best, then by what they explain.

    A predicted one (kernels that are not here) is on top of whatever runs here, and comes behind what was measured.
    """
    best = max((each.recovered or 0.0 for each in findings), default=0.0)
    rank = {cause.name: k for k, cause in enumerate(CAUSES)}

    def key(each: Finding) -> tuple[int, float, int]:
        if each.recovered is None:
            return (1, 0.0, rank[each.cause])
        if each.explains and each.recovered >= _AS_GOOD * best:
            return (0, 0.0, rank[each.cause])
        return (1 if each.explains else 2, -each.recovered, rank[each.cause])

    return sorted(findings, key=key)


def _experiment(case: Case, benches: Benches, cause: Cause, sites: tuple[Site, ...]) -> Finding:
    laboratory = case.laboratory
    change = cause.absent(case, sites)
    on, before, after = "calibration", benches.written_before, None
    if change is not None:
        after = noise_of(benches.written, laboratory.variant(case.passes, change=change))
    elif cause.name == "calibration mismatch" and benches.unseen is not None and benches.unseen_before is not None:
        on, before = "evaluation", benches.unseen_before
        after = noise_of(benches.unseen, laboratory.variant(case.passes, calibration=case.recalibration))
    return Finding(
        cause=cause.name,
        meaning=cause.meaning,
        sites=sites[:_SITES],
        recovered=None if after is None else max(0.0, 1 - after / before) if before else 0.0,
        before_db=decibels_of(before),
        after_db=None if after is None else decibels_of(after),
        measured_on=on,
    )
