"""Where words go: results to stdout, everything else to stderr; plain when piped."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, RenderableType

from ...errors import OutputError

__all__ = ["ClosedOutput", "error_console", "print_json", "print_piece", "print_text"]

# Piped text is not wrapped: who reads it (grep, a log) has no width.
PIPED_WIDTH = 10_000


class ClosedOutput(Exception):  # noqa: N818 (nothing went wrong)
    """Whoever read our output closed it (`| head`)."""


def print_text(*parts: RenderableType) -> None:
    """Print a report to stdout: coloured and wrapped on a terminal, plain and unpadded otherwise."""
    if sys.stdout.isatty():
        console = Console(file=sys.stdout, highlight=False, markup=False)
        with _open_ended():
            for part in parts:
                console.print(part)
        return
    page = io.StringIO()
    console = Console(file=page, highlight=False, markup=False, width=PIPED_WIDTH, color_system=None)
    for part in parts:
        console.print(part)
    _write("".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines()))


def print_json(values: Mapping[str, object]) -> None:
    """Print one JSON object to stdout."""
    _write(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def print_piece(text: str) -> None:
    """Print a piece of a text to stdout, at once."""
    _write(text)


def error_console() -> Console:
    """A console on stderr that leaves wrapping to the terminal."""
    return Console(file=sys.stderr, highlight=False, markup=False, soft_wrap=True)


def silence_stdout() -> None:
    """Keep the interpreter from complaining at its end about a stream that cannot be flushed."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a test's stream has no descriptor
        return


def _write(text: str) -> None:
    with _open_ended():
        sys.stdout.write(text)
        sys.stdout.flush()


@contextmanager
def _open_ended() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        silence_stdout()
        raise ClosedOutput from error
    except OSError as error:
        silence_stdout()
        raise OutputError(
            "standard output", f"cannot be written: {error.strerror}", remedy="Send it somewhere else"
        ) from error
