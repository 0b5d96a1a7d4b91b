"""The story on one screen: examine → name the cause → repair → write down what helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from ..errors import InputError
from ..passes.quantize.decide import DecideQuantization
from ..passes.recipe import Recipe
from ..targets.policy import Policy
from ..targets.spec import TargetSpec
from .compare import compare_subjects
from .diagnosing.births import births
from .diagnosing.case import Case
from .diagnosing.examine import Benches, examined, named, opened
from .diagnosing.finding import Birth, Curve, Diagnosis, Finding, Outcome, decibels_of
from .diagnosing.laboratory import Laboratory
from .diagnosing.portrait import Portrait, portraits
from .diagnosing.repairs import candidates, chosen, measured
from .diagnosing.subject import Subject
from .progress import Progress, Quiet
from .samples import Samples, split

__all__ = ["Patient", "diagnose_patient"]

_SUSPECTS = 3
_FEW = 8
_PLOTTED = 6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Patient:
    """A compile that is to be examined.

    Attributes:
        model: The float model as it was loaded; never changed.
        recipe: The passes that made the bundle.
        policy, target: What they were asked for.
        calibration: The samples they observed.
        evaluation: Samples they did not observe; None leaves calibration mismatch unexamined.
        notes: What the reader must know about these.
    """

    model: ir.Model
    recipe: Recipe
    policy: Policy
    target: TargetSpec
    calibration: Samples
    evaluation: Samples | None = None
    notes: tuple[str, ...] = ()


def diagnose_patient(patient: Patient, *, threads: int = 0, progress: Progress | None = None) -> Diagnosis:
    """Find what a bundle's error comes from, and what helps.

    Args:
        patient: The compile.
        threads: Cores to use; 0 is all.
        progress: Who watches.

    Raises:
        InputError: The recipe has no static ranges, and so nothing of what is examined here.
        SamplesError: Samples do not fit the model.
    """
    watch = progress or Quiet()
    case, benches = _opened(patient, threads, watch)
    findings = examined(case, benches, watch)
    cause = named(findings)
    with watch.stage("find where error is born"):
        places = births(case, benches.seen)
        curve = _curve(case)
    outcomes = _repairs(case, benches, findings, places, watch)
    return Diagnosis(
        cause=None if cause is None else cause.cause,
        findings=tuple(findings),
        sqnr_db=decibels_of(benches.before),
        unseen_db=None if benches.unseen_before is None else decibels_of(benches.unseen_before),
        births=places,
        curve=curve,
        repairs=tuple(outcomes),
        best=chosen(outcomes),
        guilty=_guilty(case, cause),
        notes=(*patient.notes, *_notes(benches)),
    )


def _opened(patient: Patient, threads: int, progress: Progress) -> tuple[Case, Benches]:
    """Look at every quantized value, and run bundle and float side by side."""
    passes = patient.recipe.passes
    decide = next((each for each in passes if isinstance(each, DecideQuantization)), None)
    if decide is None:
        raise InputError(
            f"scheme {patient.recipe.scheme}",
            "has no static ranges, whose causes of error are what is examined",
            remedy="Look at its layers with `edgec compare`, or compile with --scheme a8w8",
        )
    laboratory = Laboratory(model=patient.model, calibration=patient.calibration, threads=threads, progress=progress)
    decided = laboratory.decided(passes)
    case = Case(
        laboratory=laboratory,
        target=patient.target,
        # What a search left float, repairs leave float too.
        policy=replace(patient.policy, scheme=patient.recipe.scheme, float_nodes=decide.float_nodes),
        passes=passes,
        decided=decided,
        portraits=portraits(laboratory, passes, decided),
    )
    return opened(case, patient.evaluation, threads)


def _repairs(
    case: Case, benches: Benches, findings: Sequence[Finding], places: Sequence[Birth], progress: Progress
) -> list[Outcome]:
    """Measure repairs where the error is: a mismatch on samples that were not observed, all else on calibration's."""
    cause = named(findings)
    explaining = [each for each in findings if each.explains]
    suspects = [birth.node for birth in places[:_SUSPECTS] if birth.node is not None]
    tries = candidates(case, explaining, suspects)
    bench, before = benches.seen, benches.before
    if cause is not None and cause.measured_on == "evaluation":
        assert benches.unseen is not None
        assert benches.unseen_before is not None
        bench, before = benches.unseen, benches.unseen_before
    with progress.stage("repair", len(tries)):
        return measured(case, bench, before, tries)


def _curve(case: Case) -> Curve:
    """SQNR of every value that float and bundle share, on a few samples."""
    samples = case.laboratory.calibration
    if len(samples) > _FEW:
        samples = split(samples, held_out=_FEW / len(samples), seed=0)[1]
    found = compare_subjects(
        Subject(name="float", model=case.laboratory.model),
        Subject(name="bundle", model=case.laboratory.variant(case.passes)),
        samples,
    )
    return tuple((each.depth, each.name, each.distance.sqnr_db) for each in found.values)


def _guilty(case: Case, cause: Finding | None) -> tuple[Portrait, ...]:
    """Portraits of the values the cause is about, as the samples show them that it was found on."""
    names = [] if cause is None else [name for site in cause.sites for name in site.values]
    seen = case.unseen if cause is not None and cause.measured_on == "evaluation" else case.portraits
    return tuple(seen[name] for name in dict.fromkeys(names) if name in seen)[:_PLOTTED]


def _notes(benches: Benches) -> tuple[str, ...]:
    if benches.unseen is None:
        return ("no evaluation samples: whether the calibration samples represent them was not examined",)
    return ("half of the evaluation samples may be observed by repairs; the other half judges them (seed 0)",)
