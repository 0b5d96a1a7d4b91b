"""The story on one screen: examine → name the cause → repair → write down what helps."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import onnx_ir as ir

from ..bundle import Bundle
from ..errors import EdgecError, InputError
from ..passes.quantize.decide import DecideQuantization
from ..targets.spec import TargetSpec
from .clauses import BUDGETS
from .compare import compare_subjects
from .contract import Verdict
from .diagnosing.births import births
from .diagnosing.case import Case
from .diagnosing.examine import Benches, examined, named, opened
from .diagnosing.finding import Birth, Curve, Diagnosis, Finding, Outcome, decibels_of
from .diagnosing.laboratory import Laboratory
from .diagnosing.patient import Patient, all_in_integers, patient_of
from .diagnosing.portrait import Portrait, portraits
from .diagnosing.repairs import candidates, chosen, measured
from .diagnosing.saturated import saturates
from .diagnosing.subject import Subject
from .diagnosing.write import write_diagnosis
from .progress import Progress, Quiet
from .samples import DataSource, ImagePreprocess, split
from .samples.base import State

__all__ = ["diagnose", "diagnose_miss", "diagnose_patient", "missed"]

_log = logging.getLogger(__name__)

_SUSPECTS = 3
_FEW = 8
_PLOTTED = 6


def diagnose(
    bundle: Bundle | str | Path,
    *,
    model: str | Path | ir.Model | onnx.ModelProto,
    calibration: DataSource,
    evaluation: DataSource | None = None,
    target: str | Path | TargetSpec | None = None,
    state: State | None = None,
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    on: str | Path | TargetSpec | None = None,
    plots: str | Path | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find out what a bundle's error comes from, and which repair gives it back; each one is measured.

    Args:
        bundle: The bundle, or its folder.
        model: The float model it was compiled from.
        calibration: The samples it observed.
        evaluation: Samples it did not observe: whether calibration represents them is examined on these.
        target: The target, where the bundle's is a TOML of the user's.
        state: Outputs fed back as inputs; None takes the manifest's.
        preprocess: How image files become an input, by input name.
        on: A target on whose kernels the bundle is to run, where that is not its own: what saturates there is computed.
        plots: Folder of `diagnosis.json` and the plots; None takes `proof/diagnosis` of the bundle.
        threads: Cores to use; 0 is all.
        progress: Who watches.

    Returns:
        The cause, its evidence, where error is born, and the repairs that were tried.

    Raises:
        InputError: Bundle, model and samples do not belong together, or the scheme has no static ranges.
        OutputError: The plots cannot be written.
    """
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    patient = patient_of(
        bundle,
        model,
        calibration=calibration,
        evaluation=evaluation,
        target=target,
        state=state,
        preprocess=preprocess,
        on=on,
    )
    found = diagnose_patient(patient, threads=threads, progress=progress)
    write_diagnosis(found, bundle.proof / "diagnosis" if plots is None else Path(plots), bundle=bundle.digest)
    if plots is None:
        from .report.page.write import write_page

        write_page(bundle)
    return found


def missed(verdict: Verdict) -> bool:
    """Whether a verdict breaks a limit on accuracy."""
    return any(each.status == "broken" and each.id in BUDGETS for each in verdict.results)


def diagnose_miss(bundle: Bundle, patient: Patient, *, threads: int, progress: Progress) -> Diagnosis | None:
    """Diagnose a compile that missed its budget, with all in integers, and write the diagnosis beside the bundle.

    The verdict stands whatever comes of it: what cannot be examined is logged, and None comes back.

    Args:
        bundle: What was proved.
        patient: How it was compiled.
        threads: Cores to use; 0 is all.
        progress: Who watches.
    """
    try:
        found = diagnose_patient(all_in_integers(patient), threads=threads, progress=progress)
        write_diagnosis(found, bundle.proof / "diagnosis", bundle=bundle.digest)
    except EdgecError as error:
        _log.warning("the miss was not diagnosed: %s", error)
        return None
    return found


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
        notes=(*patient.notes, *_notes(case, benches)),
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
        isa=patient.isa or patient.target.isa,
        decided=decided,
        portraits=portraits(laboratory, passes, decided),
    )
    return opened(case, patient.evaluation, threads)


def _repairs(
    case: Case, benches: Benches, findings: Sequence[Finding], places: Sequence[Birth], progress: Progress
) -> list[Outcome]:
    """Measure repairs where the error is: a mismatch on samples that were not observed, all else on calibration's."""
    cause = named(findings)
    explaining = [
        each for each in findings if each.explains and (cause is None or each.measured_on == cause.measured_on)
    ]
    suspects = [birth.node for birth in places[:_SUSPECTS] if birth.node is not None]
    tries = candidates(case, explaining, suspects)
    bench, before = benches.seen, benches.before
    if cause is not None and cause.measured_on == "evaluation":
        assert benches.unseen is not None
        assert benches.unseen_before is not None
        bench, before = benches.unseen, benches.unseen_before
    with progress.stage("repair"):
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


def _notes(case: Case, benches: Benches) -> tuple[str, ...]:
    computed = f"outputs are those of {case.isa}, computed bit for bit as its kernels add: nothing ran on one"
    notes = (computed,) if saturates(case.isa) else ()
    if benches.unseen is None:
        return (*notes, "no evaluation samples: whether the calibration samples represent them was not examined")
    return (
        *notes,
        "half of the evaluation samples may be observed by repairs; the other half judges them (seed 0)",
    )
