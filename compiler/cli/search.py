"""`edgec search`: models under recipes, compared on one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import MODEL, OUTPUT, CalibrationOptions, ContractOptions, EvaluationOptions, TalkOptions, TargetOptions

if TYPE_CHECKING:
    from ..exploring.trial import Tried
    from ..project import Project
    from .talk import Talk

__all__ = ["EXAMPLES", "search"]

EXAMPLES = """
edgec search
edgec search half.onnx full.onnx --recipe a8w8 --recipe w8 --calibration calib.npz --evaluation eval.npz
edgec search full.onnx --recipe a8w8,rounding=gptq --recipe a16w8 --max-drop 1pt --by size,accuracy
edgec search --dask tcp://10.0.0.5:8786 -o /shared/search
"""
_TRIALS = "Trials"


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions:
    """What is compared, by what, and where it is tried."""

    models: Annotated[
        list[str] | None,
        Argument(metavar="[MODEL]...", help="Models to compare; else those of [search.models].", show_default=False),
    ] = None
    recipe: Annotated[
        list[str] | None,
        Option(
            "--recipe",
            metavar="WORDS",
            help="A scheme, then options of [compile]: a8w8,rounding=gptq; or a recipe.lock. Once per recipe; else "
            "those of [search.recipes].",
            rich_help_panel=MODEL,
        ),
    ] = None
    by: Annotated[
        str | None,
        Option(
            "--by",
            metavar="NAME,...",
            help="What points are compared by, the most important first, of accuracy, latency, size, memory, sqnr. "
            "Else accuracy,latency,size.",
            rich_help_panel=_TRIALS,
        ),
    ] = None
    output: Annotated[
        Path,
        Option(
            "-o",
            "--output",
            metavar="DIR",
            help="The folder of the search: trials, report.html, search.json, search.md, recommended/.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("search")
    jobs: Annotated[
        int | None,
        Option("-j", "--jobs", metavar="N", help="Trials at once; else half of the cores.", rich_help_panel=_TRIALS),
    ] = None
    dask: Annotated[
        str | None,
        Option(
            "--dask",
            metavar="ADDRESS",
            help="Try on the workers of this Dask scheduler, which see the folder of -o.",
            rich_help_panel=_TRIALS,
        ),
    ] = None
    measure_again: Annotated[
        bool,
        Option(
            "--measure-again",
            help="Measure times anew; else those of the same points on this machine are kept.",
            rich_help_panel=_TRIALS,
        ),
    ] = False


@takes_groups
def search(
    options: SearchOptions,
    target: TargetOptions,
    calibration: CalibrationOptions,
    evaluation: EvaluationOptions,
    contract: ContractOptions,
    talk: TalkOptions,
) -> int:
    """Try every model under every recipe, and recommend a point that keeps the contract.

    Each trial is a compile, proved on the evaluation samples, and is kept: a search that was stopped goes on where it
    was. The exit code is that of the recommended bundle's verdict; where no point keeps the contract, that of the point
    that misses it least.
    """
    from contextlib import nullcontext

    from ..explore import explore
    from ..exploring.candidate import candidates_of_project
    from ..exploring.cluster import dask_executor
    from ..exploring.objectives import DEFAULT
    from ..report.explored import explored_report
    from .console import print_json, print_text
    from .request import positive
    from .talk import talking

    with talking(talk) as talker:
        project = _project(options, calibration, evaluation, contract, talker)
        candidates = candidates_of_project(project, target.target)
        with dask_executor(options.dask) if options.dask else nullcontext() as executor:
            found = explore(
                candidates,
                options.output,
                by=_by(options) or project.search.by or DEFAULT,
                executor=executor,
                jobs=positive("--jobs", options.jobs),
                anew=options.measure_again,
                progress=talker.progress,
                told=lambda name, tried: talker.say(_told(name, tried)),
            )
    if talk.json:
        print_json(found.to_json())
    else:
        print_text(*explored_report(found))
    return found.exit_code


def _project(
    options: SearchOptions,
    calibration: CalibrationOptions,
    evaluation: EvaluationOptions,
    contract: ContractOptions,
    talker: Talk,
) -> Project:
    """The project with what the command line says over it.

    Raises:
        InputError: An option or the project file is wrong.
    """
    from ..contract import Contract
    from ..exploring.candidate import named_models, read_recipe
    from ..projecting.choices import CompileOptions, DataChoice, MetricChoice
    from .request import positive, project_of

    project = project_of(evaluation.config, talker)
    said = project.search
    if options.models:
        said = replace(said, models=named_models(options.models))
    if options.recipe:
        said = replace(said, recipes={words: read_recipe(words, where="--recipe") for words in _once(options.recipe)})
    samples = positive("--samples", evaluation.samples)
    observed = project.calibration if calibration.calibration is None else DataChoice(path=calibration.calibration)
    if observed is not None and samples is not None:
        observed = replace(observed, samples=samples)
    proving = project.evaluation if evaluation.evaluation is None else DataChoice(path=evaluation.evaluation)
    metric = project.metric
    if evaluation.metric is not None or evaluation.metric_output is not None:
        name = evaluation.metric or (metric.name if metric else "top1")
        metric = MetricChoice(name=name, output=evaluation.metric_output or (metric.output if metric else None))
    limits = project.contract.merged(Contract.from_flags(**contract.flags))
    seeded = project.compile.merged(CompileOptions(seed=evaluation.seed))
    return replace(
        project,
        search=said,
        calibration=observed,
        evaluation=proving,
        metric=metric,
        contract=limits,
        compile=seeded,
    )


def _once(words: Sequence[str]) -> Sequence[str]:
    from ...errors import OptionError

    for each in words:
        if words.count(each) > 1:
            raise OptionError(f"--recipe {each}", "is there twice", remedy="Leave one of them out")
    return words


def _by(options: SearchOptions) -> tuple[str, ...]:
    return tuple(word.strip() for word in options.by.split(",")) if options.by else ()


def _told(name: str, tried: Tried) -> str:
    what = "failed" if tried.failure is not None else "is done"
    return f"{name} {what}, as before" if tried.cached else f"{name} {what} in {tried.seconds:.1f} s"
