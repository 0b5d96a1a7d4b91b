"""`edgec plan`: what a compile would do, and whether the result fits; nothing is written."""

from __future__ import annotations

from .groups import takes_groups
from .options import (
    CalibrationOptions,
    ContractOptions,
    EvaluationOptions,
    ModelOptions,
    OutputOptions,
    PassOptions,
    TalkOptions,
    TargetOptions,
)
from .quantize_options import QuantizeOptions

__all__ = ["EXAMPLES", "plan", "show_plan"]

EXAMPLES = """
edgec plan model.onnx --calibration calib.npz
edgec plan model.onnx -t my-board.toml --shape input=1,3,224,224 --format json
"""


@takes_groups
def plan(
    model: ModelOptions,
    target: TargetOptions,
    calibration: CalibrationOptions,
    evaluation: EvaluationOptions,
    quantize: QuantizeOptions,
    contract: ContractOptions,
    output: OutputOptions,
    passes: PassOptions,
    talk: TalkOptions,
) -> int:
    """Print the resolved recipe and, per scheme, the memory it would need; write nothing.

    Takes the options of `compile`; those of the output change nothing here.
    """
    del output
    return show_plan(model, target, calibration, evaluation, quantize, contract, passes, talk)


def show_plan(
    model: ModelOptions,
    target: TargetOptions,
    calibration: CalibrationOptions,
    evaluation: EvaluationOptions,
    quantize: QuantizeOptions,
    contract: ContractOptions,
    passes: PassOptions,
    talk: TalkOptions,
) -> int:
    """Print the plan of a compile; the exit code."""
    from dataclasses import fields

    from ..plan import plan as make_plan
    from ..report.json import plan_json
    from ..report.planned import planned
    from .console import print_json, print_text
    from .request import request_of
    from .talk import talking

    with talking(talk) as talker:
        request = request_of(model, target, calibration, evaluation, quantize, contract, passes, talker)
        with talker.progress.stage("plan"):
            made = make_plan(**{field.name: getattr(request, field.name) for field in fields(request)})
    if talk.json:
        print_json(plan_json(made))
    else:
        print_text(*planned(made))
    return 0
