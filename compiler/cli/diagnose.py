"""`edgec diagnose`: where a bundle's error comes from, and what gives it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import TalkOptions, TargetOptions

if TYPE_CHECKING:
    from ..diagnosing.finding import Outcome
    from ..diagnosing.patient import Patient
    from .talk import Talk

__all__ = ["EXAMPLES", "diagnose"]

EXAMPLES = """
edgec diagnose out/ --model model.onnx --calibration calib.npz --evaluation eval.npz
edgec diagnose out/ --model model.onnx --calibration calib.npz --plots plots/ --format json
edgec diagnose out/ --model model.onnx --calibration calib.npz --apply -o repaired/
edgec diagnose out/ --model model.onnx --calibration calib.npz --on x86-64-avx2
"""
_DATA, _OUTPUT = "Samples", "Output"


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseOptions:
    """What is examined, on which samples, and what becomes of it."""

    bundle: Annotated[str, Argument(metavar="BUNDLE", help="Folder that `edgec compile` wrote.", show_default=False)]
    float_model: Annotated[
        str | None,
        Option("-m", "--model", "--float-model", metavar="MODEL", help="The float model.", rich_help_panel="Model"),
    ] = None
    calibration: Annotated[
        str | None,
        Option(
            "--calibration", "--calibration-data", metavar="DATA", help="Samples it observed.", rich_help_panel=_DATA
        ),
    ] = None
    evaluation: Annotated[
        str | None,
        Option(
            "--evaluation", "--evaluation-data",
            metavar="DATA",
            help="Samples it did not observe; without them calibration mismatch is not examined.",
            rich_help_panel=_DATA,
        ),
    ] = None  # fmt: skip
    on: Annotated[
        str | None,
        Option(
            "--on",
            metavar="TARGET",
            help="Examine it on the kernels of another target, say x86-64-avx2: what saturates there is computed.",
            rich_help_panel="Model",
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option(
            "--config",
            metavar="FILE",
            help="Project file: samples, preprocessing, state; else ./edgec.toml where there is one.",
            rich_help_panel=_DATA,
        ),
    ] = None
    plots: Annotated[
        Path | None,
        Option(
            "--plots",
            metavar="FOLDER",
            help="Error by depth and histograms as SVG, and the JSON; else proof/diagnosis of the bundle.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    apply: Annotated[
        bool, Option("--apply", help="Compile with the best repair; needs -o.", rich_help_panel=_OUTPUT)
    ] = False
    output: Annotated[
        Path | None, Option("-o", "--output", metavar="FOLDER", help="The repaired bundle.", rich_help_panel=_OUTPUT)
    ] = None
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace the bundle that is there.", rich_help_panel=_OUTPUT)
    ] = False
    threads: Annotated[int, Option("--threads", metavar="N", help="Cores to use; 0: all.", rich_help_panel=_OUTPUT)] = 0


@takes_groups
def diagnose(case: CaseOptions, target: TargetOptions, talk: TalkOptions) -> int:
    """Say where a bundle's error is born, what causes it, and which repair gives it back.

    Every cause is tried by experiment: the same compile without it. Every repair is measured: the compile with it. The
    best one is printed as a line of edgec.toml; --apply compiles with it, and then the exit code is the verdict's.
    """
    from ...bundle import Bundle
    from ..diagnose import diagnose_patient
    from ..diagnosing.patient import patient_of
    from ..diagnosing.write import write_diagnosis
    from ..report.diagnosed import diagnosed
    from ..report.page.write import write_page
    from .console import print_json, print_text
    from .request import not_negative, project_of
    from .talk import talking

    _check(case)
    bundle = Bundle.open(case.bundle)
    with talking(talk) as talker:
        project = project_of(case.config, talker)
        calibration = case.calibration or (project.calibration.path if project.calibration else None)
        evaluation = case.evaluation or (project.evaluation.path if project.evaluation else None)
        patient = patient_of(
            bundle,
            _given("--model", case.float_model, "Name the float model it was compiled from"),
            calibration=_given("--calibration", calibration, "Name the samples it observed"),
            evaluation=evaluation,
            target=target.target,
            state=project.state if project.state.carried else None,
            preprocess=dict(project.inputs),
            on=case.on,
        )
        found = diagnose_patient(patient, threads=not_negative("--threads", case.threads), progress=talker.progress)
        folder = bundle.proof / "diagnosis" if case.plots is None else case.plots
        write_diagnosis(found, folder, bundle=bundle.digest)
        if case.plots is None:
            write_page(bundle)
        applied = _apply(case, patient, found.best, talker) if case.apply else None
    if talk.json:
        values = {"bundle": str(bundle.path), "digest": bundle.digest, "plots": str(folder), **found.to_json()}
        print_json(values if applied is None else {**values, "applied": applied[0]})
    else:
        print_text(*diagnosed(found))
        print_text(f"\nwritten: {folder}")
        if applied is not None:
            print_text(f"repaired: {case.output}" if applied[0] else "nothing to apply: no repair gains a decibel")
    return 0 if applied is None else applied[1]


def _apply(case: CaseOptions, patient: Patient, best: Outcome | None, talk: Talk) -> tuple[bool, int]:
    """Compile with the repair; whether there was one, and the verdict's exit code."""
    from ..compile import compile_request
    from ..diagnosing.apply import repaired

    if best is None:
        return False, 0
    request = repaired(
        patient,
        best,
        model=str(case.float_model),
        output=Path(str(case.output)),
        overwrite=case.overwrite,
        progress=talk.progress,
    )
    verdict = compile_request(request).verdict
    return True, 0 if verdict is None else verdict.exit_code


def _check(case: CaseOptions) -> None:
    from ...errors import OptionError
    from ..destination import check_destination

    if case.apply and case.output is None:
        raise OptionError(
            "-o/--output", "is missing", remedy="Name the folder of the repaired bundle, say -o repaired/"
        )
    if case.output is not None and not case.apply:
        raise OptionError("-o/--output", "is given without --apply", remedy="Add --apply, or leave it out")
    if case.output is not None:
        check_destination(case.output, overwrite=case.overwrite)


def _given(option: str, value: str | None, remedy: str) -> str:
    from ...errors import OptionError

    if value is None:
        raise OptionError(option, "is missing", remedy=remedy)
    return value
