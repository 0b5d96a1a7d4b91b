"""`edgec export`: a bundle's weights for other engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .groups import takes_groups
from .options import OUTPUT, TalkOptions

__all__ = ["EXAMPLES", "export"]

EXAMPLES = """
edgec export out/ model.gguf
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """Which bundle, and where to."""

    bundle: Annotated[str, Argument(metavar="BUNDLE", help="Folder that `edgec compile` wrote.", show_default=False)]
    file: Annotated[Path, Argument(metavar="FILE", help="What to write: a .gguf file.", show_default=False)]
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a file that is there.", rich_help_panel=OUTPUT)] = (
        False
    )


@takes_groups
def export(options: ExportOptions, talk: TalkOptions) -> int:
    """Write a bundle's weights as GGUF: blocks as Q4_0, Q4_1 or Q8_0, all else as floats.

    A language model that edgec built from a checkpoint or from GGUF becomes a model with its tokenizer.
    """
    from ..export import export as export_bundle
    from .console import print_json, print_text

    done = export_bundle(options.bundle, options.file, overwrite=options.overwrite)
    if talk.json:
        said = {"file": str(done.file), "types": dict(done.types), "lost": done.lost, "notes": list(done.notes)}
        print_json(said)
        return 0
    types = ", ".join(f"{count} {kind}" for kind, count in done.types.items())
    print_text(f"wrote {done.file}: {types}")
    if done.lost:
        print_text(f"scales became halves: changed by at most {done.lost:.1e} of themselves")
    for note in done.notes:
        print_text(note)
    return 0
