"""`edgec inspect`: what a model or a bundle is; nothing is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import TalkOptions, TargetOptions, one_of

__all__ = ["EXAMPLES", "inspect"]

EXAMPLES = """
edgec inspect model.onnx
edgec inspect model.onnx --target arm64 -v
edgec inspect out/ --format json
"""
_OF_BUNDLES = ("manifest.json", "recipe.lock", "golden")


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectOptions:
    """What to look at."""

    subject: Annotated[
        str | None, Argument(metavar="MODEL|BUNDLE", help="ONNX file, or folder of a bundle.", show_default=False)
    ] = None
    model_option: Annotated[
        str | None, Option("-m", "--model", metavar="MODEL", help="The same as an option.", rich_help_panel="Model")
    ] = None
    shape: Annotated[
        list[str] | None,
        Option("--shape", metavar="NAME=D,D,...", help="Fix the shape of an input.", rich_help_panel="Model"),
    ] = None


@takes_groups
def inspect(subject: SubjectOptions, target: TargetOptions, talk: TalkOptions) -> int:
    """Show a model (inputs, operators, MACs, what would run in integers) or a bundle (files, proof, verdict).

    The files of a bundle are compared with its manifest.
    """
    given = one_of("MODEL|BUNDLE", subject.subject, "-m/--model", subject.model_option)
    path = Path(given)
    if path.is_dir() and any((path / name).exists() for name in _OF_BUNDLES):
        return _bundle(path, talk)
    return _model(given, subject, target, talk)


def _bundle(path: Path, talk: TalkOptions) -> int:
    from ...bundle import Bundle
    from ..report.inspected import bundle_report
    from ..report.json import bundle_json
    from ..report.records import proof_json
    from .console import print_json, print_text
    from .talk import talking

    bundle = Bundle.open(path)
    with talking(talk) as talker, talker.progress.stage("verify"):
        bundle.verify()
    if talk.json:
        print_json(bundle_json(bundle))
    else:
        print_text(*bundle_report(bundle, proof_json(bundle, "proof"), proof_json(bundle, "verdict")))
    return 0


def _model(given: str, subject: SubjectOptions, target: TargetOptions, talk: TalkOptions) -> int:
    from ...targets import find_target
    from ..inspect import inspect_model
    from ..report.checked import checked_table
    from ..report.compiled import float_nodes
    from ..report.inspected import model_report
    from ..report.json import inspection_json
    from ..report.layout import heading
    from .console import print_json, print_text
    from .talk import talking
    from .values import shapes

    with talking(talk) as talker, talker.progress.stage("inspect"):
        found = inspect_model(given, find_target(target.target or "host"), shapes=shapes(subject.shape or ()))
    if talk.json:
        print_json(inspection_json(found))
    else:
        print_text(*model_report(found))
        if talk.verbose and found.skipped:
            print_text(heading("Float nodes"), float_nodes(found.skipped))
        if talk.verbose and found.checked is not None:
            print_text(heading("Node by node"), checked_table(found.checked))
    return 0
