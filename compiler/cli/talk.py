"""What a command says beside its result: progress, logs, a word on what it chose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from ..progress import Progress
from .console import error_console
from .logs import level_of, logging_to
from .options import TalkOptions
from .progress import watching

__all__ = ["Talk", "talking"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Talk:
    """Says things on stderr."""

    console: Console
    progress: Progress
    quiet: bool

    def say(self, text: str) -> None:
        """One line, unless asked to be quiet."""
        if not self.quiet:
            self.console.print(f"edgec: {text}")


@contextmanager
def talking(options: TalkOptions) -> Iterator[Talk]:
    """Show logs and progress while the block runs."""
    console = error_console()
    level = level_of(verbose=options.verbose, quiet=options.quiet, named=options.log_level)
    with logging_to(console, level), watching(console, quiet=options.quiet) as progress:
        yield Talk(console=console, progress=progress, quiet=options.quiet)
