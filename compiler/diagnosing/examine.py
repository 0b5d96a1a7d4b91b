"""Examine a case: take each cause out in turn, name the one without which the error is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...runtimes import runtime
from ..progress import Progress
from ..samples import Samples, split
from ..searching.bench import Bench, open_bench
from .as_written import AsWritten
from .avx2_kernels import Avx2Kernels
from .case import Case, Site
from .causes import CAUSES, Cause
from .causes.saturation import Saturation
from .finding import Finding, decibels_of
from .laboratory import noise_of
from .portrait import portraits
from .saturated import saturates

__all__ = ["Benches", "examined", "named", "opened"]

# A more specific cause is named when it explains nine tenths of what the best one does.
_AS_GOOD = 0.9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Benches:
    """Where experiments are scored.

    Attributes:
        seen: Calibration samples, on the kernels of the instruction set that is examined.
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
    # Wherever the bundle ships to: changes are compared in this process, what saturates there is computed.
    here, laboratory = runtime("onnxruntime-cpu"), case.laboratory
    place = Avx2Kernels(here) if saturates(case.isa) else here
    bundle = laboratory.variant(case.passes)
    seen = open_bench(place, laboratory.model, laboratory.calibration, threads=threads)
    written = replace(seen, runtime=AsWritten(here))
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
    """The most specific of those that explain it best, then by what they explain."""
    best = max((each.recovered for each in findings), default=0.0)
    rank = {cause.name: k for k, cause in enumerate(CAUSES)}

    def key(each: Finding) -> tuple[int, float, int]:
        if each.explains and each.recovered >= _AS_GOOD * best:
            return (0, 0.0, rank[each.cause])
        return (1 if each.explains else 2, -each.recovered, rank[each.cause])

    return sorted(findings, key=key)


def _experiment(case: Case, benches: Benches, cause: Cause, sites: tuple[Site, ...]) -> Finding:
    laboratory = case.laboratory
    change = cause.absent(case, sites)
    on, before = "calibration", benches.written_before
    if change is not None:
        after = noise_of(benches.written, laboratory.variant(case.passes, change=change))
    elif cause.name == Saturation.name:
        before = benches.before
        exact = replace(benches.seen, runtime=Avx2Kernels(runtime("onnxruntime-cpu"), saturate=False))
        after = noise_of(exact, laboratory.variant(case.passes))
    else:
        assert benches.unseen is not None, "evaluation samples have left a range"
        assert benches.unseen_before is not None
        on, before = "evaluation", benches.unseen_before
        after = noise_of(benches.unseen, laboratory.variant(case.passes, calibration=case.recalibration))
    return Finding(
        cause=cause.name,
        meaning=cause.meaning,
        sites=sites,
        recovered=max(0.0, 1 - after / before) if before else 0.0,
        before_db=decibels_of(before),
        after_db=decibels_of(after),
        measured_on=on,
    )
