"""`edgec init`: a project file made of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import DATA, OUTPUT, TalkOptions, one_of

__all__ = ["EXAMPLES", "init"]

EXAMPLES = """
edgec init model.onnx
edgec init models/faces.onnx -o faces/edgec.toml
edgec init model.onnx --samples photos --target android-cpu
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class InitChoice:
    """Which model, and where its project file goes."""

    model: Annotated[str | None, Argument(metavar="MODEL", help="ONNX file.", show_default=False)] = None
    model_option: Annotated[
        str | None, Option("-m", "--model", metavar="MODEL", help="The same as an option.", rich_help_panel="Model")
    ] = None
    samples: Annotated[
        Path | None,
        Option(
            "--samples",
            metavar="DATA",
            help="What to observe and to prove with: .npz, .parquet, or a folder of .npy, .npz or images.",
            rich_help_panel=DATA,
        ),
    ] = None
    target: Annotated[
        list[str] | None,
        Option("-t", "--target", metavar="NAME", help="What to build for, else host; once per target."),
    ] = None
    output: Annotated[
        Path, Option("-o", "--output", metavar="FILE", help="The project file.", rich_help_panel=OUTPUT)
    ] = Path("edgec.toml")
    force: Annotated[bool, Option("--force", help="Replace the file that is there.", rich_help_panel=OUTPUT)] = False


@takes_groups
def init(choice: InitChoice, talk: TalkOptions) -> int:
    """Write a commented project file for a model: its inputs, where its data go, limits, targets.

    What is guessed (images, state, the batch, classes) stands there as a comment that says so; what --samples and
    --target need of it is in force.
    """
    from ..init_project import init_project
    from .console import print_json, print_text
    from .talk import talking

    model = one_of("MODEL", choice.model, "-m/--model", choice.model_option)
    with talking(talk) as talker, talker.progress.stage("inspect"):
        begun = init_project(
            model, choice.output, samples=choice.samples, targets=choice.target or (), force=choice.force
        )
    if talk.json:
        print_json(begun.to_json())
        return 0
    print_text(f"wrote {choice.output}")
    for guess in begun.guesses:
        print_text(f"guess: {guess}")
    if begun.missing:
        print_text(f"to bring: {', '.join(begun.missing)} beside it, or other paths in it")
    build = "edgec build" if choice.output == Path("edgec.toml") else f"edgec build {choice.output}"
    print_text(f"then: {build}")
    return 0
