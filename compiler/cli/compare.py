"""`edgec compare`: two models, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import TalkOptions

__all__ = ["EXAMPLES", "compare"]

EXAMPLES = """
edgec compare model.onnx out/ --calibration calib.npz
edgec compare model.onnx rival-qdq.onnx --evaluation eval.npz --worst --top 10
edgec compare out/ rival-qdq.onnx --evaluation eval.npz --format json
"""
_DATA, _SHOWN = "Samples", "Shown"


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedOptions:
    """What is compared, on which samples."""

    a: Annotated[str, Argument(metavar="A", help="Reference: ONNX file or folder of a bundle.", show_default=False)]
    b: Annotated[str, Argument(metavar="B", help="What is compared with it.", show_default=False)]
    calibration: Annotated[
        str | None,
        Option("--calibration", "--calibration-data", metavar="DATA", help="Samples to run.", rich_help_panel=_DATA),
    ] = None
    evaluation: Annotated[
        str | None,
        Option("--evaluation", "--evaluation-data", metavar="DATA", help="The same.", rich_help_panel=_DATA),
    ] = None
    samples: Annotated[
        int | None, Option("--samples", metavar="N", help="Use N of them, drawn with --seed.", rich_help_panel=_DATA)
    ] = None
    seed: Annotated[int, Option("--seed", metavar="N", help="Seeds the draw.", rich_help_panel=_DATA)] = 0
    state: Annotated[
        list[str] | None,
        Option(
            "--state",
            metavar="INPUT=OUTPUT",
            help="Feed an output back as an input; else as a bundle says. Once per pair.",
            rich_help_panel=_DATA,
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option(
            "--config",
            metavar="FILE",
            help="Project file: preprocessing, state; else ./edgec.toml where there is one.",
            rich_help_panel=_DATA,
        ),
    ] = None
    worst: Annotated[bool, Option("--worst", help="Lowest SQNR first.", rich_help_panel=_SHOWN)] = False
    top: Annotated[int | None, Option("--top", metavar="N", help="Show N values.", rich_help_panel=_SHOWN)] = None


@takes_groups
def compare(compared: ComparedOptions, talk: TalkOptions) -> int:
    """Compare two models value by value: SQNR, cosine, errors, clipping; by depth, or the worst first.

    Any two of float model, bundle, and a Q/DQ model of another tool. Values are matched by name, Q/DQ suffixes taken
    off, then by structure; what cannot be matched is listed. The exit code is 0 whatever the distance.
    """
    from ..compare import compare as make_comparison
    from ..report.compared import compared as report
    from .console import print_json, print_text
    from .request import positive, project_of
    from .talk import talking
    from .values import state

    data = _samples(compared)
    top = positive("--top", compared.top)
    with talking(talk) as talker:
        project = project_of(compared.config, talker)
        carried = {**project.state.carried, **state(compared.state or ())}
        found = make_comparison(
            compared.a,
            compared.b,
            data,
            limit=positive("--samples", compared.samples),
            seed=compared.seed,
            state=type(project.state)(carried=carried, start=project.state.start) if carried else None,
            preprocess=dict(project.inputs),
            progress=talker.progress,
        )
    if talk.json:
        print_json(found.to_json())
    else:
        print_text(*report(found, worst=compared.worst, top=top))
    return 0


def _samples(compared: ComparedOptions) -> str:
    from ...errors import OptionError

    given = [data for data in (compared.calibration, compared.evaluation) if data is not None]
    if len(given) != 1:
        problem = "is missing" if not given else "is given beside --evaluation"
        raise OptionError("--calibration", problem, remedy="Name the samples to run with --calibration or --evaluation")
    return given[0]
