"""`edgec wrap`: the source code that opens a bundle in an app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import OUTPUT, TalkOptions

__all__ = ["EXAMPLES", "wrap"]

EXAMPLES = """
edgec wrap out/ --language cpp -o src/
edgec wrap build/faces/web-wasm -l typescript --name faces -o src/
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrapOptions:
    """Which bundle, in which language."""

    bundle: Annotated[str, Argument(metavar="BUNDLE", help="Folder that `edgec compile` wrote.", show_default=False)]
    language: Annotated[
        str,
        Option(
            "-l", "--language", metavar="NAME", help="cpp, kotlin, python, swift or typescript.", show_default=False
        ),
    ]
    output: Annotated[
        Path, Option("-o", "--output", metavar="DIR", help="Where the file goes.", rich_help_panel=OUTPUT)
    ] = Path()
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="What the code calls it; else as the folder is called.")
    ] = None


@takes_groups
def wrap(options: WrapOptions, talk: TalkOptions) -> int:
    """Write a bundle's wrapper: names, shapes, types, scales and session options, and a typed call."""
    from ..wrap import wrap as wrap_bundle
    from .console import print_json, print_text

    file = wrap_bundle(options.bundle, options.language, options.output, name=options.name)
    if talk.json:
        print_json({"file": str(file)})
    else:
        print_text(f"wrote {file}")
    return 0
