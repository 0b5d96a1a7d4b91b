"""`edgec diff`: what changed between two bundles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import OUTPUT, TalkOptions

__all__ = ["EXAMPLES", "diff"]

EXAMPLES = """
edgec diff build-old/faces/raspberry-pi-5 build/faces/raspberry-pi-5
edgec diff old/ new/ --top 10 --markdown "$GITHUB_STEP_SUMMARY"
edgec diff old/ new/ --exit-code --format json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffOptions:
    """Which bundles, and how the difference is told."""

    old: Annotated[str, Argument(metavar="OLD", help="Folder of a bundle.", show_default=False)]
    new: Annotated[str, Argument(metavar="NEW", help="Folder of another.", show_default=False)]
    top: Annotated[
        int | None, Option("--top", metavar="N", help="Show N weights, those that changed most; else all.")
    ] = None
    markdown: Annotated[
        Path | None, Option("--markdown", metavar="FILE", help="Append a Markdown summary.", rich_help_panel=OUTPUT)
    ] = None
    exit_code: Annotated[
        bool, Option("--exit-code", help="1 where another payload, contract or verdict is there; else always 0.")
    ] = False


@takes_groups
def diff(options: DiffOptions, talk: TalkOptions) -> int:
    """Say what changed: verdict, contract, what was measured, origin, recipe, files, weights. Nothing is run.

    Times differ with every proof, and alone are no difference for --exit-code.
    """
    from ...errors import OutputError
    from ..diff import diff as compute
    from ..report.diffed import diff_markdown, diffed
    from .console import print_json, print_text
    from .request import positive
    from .talk import talking

    top = positive("--top", options.top)
    with talking(talk) as talker, talker.progress.stage("diff"):
        found = compute(options.old, options.new)
    if options.markdown is not None:
        try:
            with options.markdown.open("a", encoding="utf-8") as file:
                file.write(diff_markdown(found, top=top))
        except OSError as error:
            remedy = "Name another file"
            raise OutputError(str(options.markdown), f"cannot be written: {error.strerror}", remedy=remedy) from error
    if talk.json:
        print_json(found.to_json())
    else:
        print_text(*diffed(found, top=top))
    return 1 if options.exit_code and found.differs else 0
