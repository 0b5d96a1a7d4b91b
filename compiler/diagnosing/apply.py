"""A diagnosis put to work: the request that compiles with a repair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..progress import Progress
from ..request import CompileRequest, ModelSource
from ..samples import split
from .finding import Outcome
from .patient import Patient

__all__ = ["repaired"]


def repaired(
    patient: Patient, outcome: Outcome, *, model: ModelSource, output: Path, overwrite: bool, progress: Progress
) -> CompileRequest:
    """Compile as the patient was, with the repair.

    Args:
        patient: The compile that was examined.
        outcome: The repair to apply.
        model: The float model, as it was given.
        output: Folder of the new bundle.
        overwrite: Replace what is there.
        progress: Who watches.
    """
    calibration, evaluation = patient.calibration, patient.evaluation
    if outcome.repair.recalibrate and evaluation is not None:
        # The half that the diagnosis observed; the other half proves.
        calibration, evaluation = split(evaluation, held_out=0.5, seed=0)
    policy = replace(patient.policy, **outcome.repair.settings)
    return CompileRequest(
        model=model,
        target=patient.target,
        calibration=calibration,
        evaluation=evaluation,
        inputs=patient.baking.inputs,
        outputs=patient.baking.outputs,
        state=calibration.state,
        shapes=patient.shapes,
        policy=policy,
        output=output,
        overwrite=overwrite,
        prove=evaluation is not None,
        progress=progress,
    )
