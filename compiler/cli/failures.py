"""From an exception to what the user reads and the shell gets: one paragraph, one exit code, never a traceback."""

from __future__ import annotations

import errno
import platform
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from ... import __version__
from ...errors import EdgecError, InputError, InternalError, OutputError
from .console import ClosedOutput, error_console, print_json
from .groups import Interrupted

__all__ = ["EXIT_INTERRUPTED", "EXIT_USAGE", "report_failure"]

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_CLOSED = 141  # 128 + SIGPIPE: what a shell reports when `| head` has had enough

# typer carries its parser with it since 0.26 and imported click's before: the class is found by its family.
_UsageError = typer.BadParameter.__mro__[1]
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_PATH = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO}


def report_failure(error: BaseException, words: Sequence[str], *, as_json: bool) -> int:
    """Say what happened and return the exit code.

    Args:
        error: What ended the command.
        words: The command line, for the reproducer.
        as_json: The error goes to stdout as JSON too.
    """
    if isinstance(error, ClosedOutput):
        return EXIT_CLOSED
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return _say("Interrupted", "interrupted", EXIT_INTERRUPTED, as_json=as_json, colour="yellow")
    if isinstance(error, _UsageError):
        return _say("UsageError", _usage_text(error), EXIT_USAGE, as_json=as_json)
    found = _as_edgec_error(error, words)
    parts = {name: getattr(found, name) for name in ("where", "problem", "affects", "remedy")}
    return _say(type(found).__name__, str(found), found.exit_code, as_json=as_json, **parts)


def _as_edgec_error(error: BaseException, words: Sequence[str]) -> EdgecError:
    """The error itself, or the EdgecError it amounts to; those that are our fault get a reproducer."""
    if isinstance(error, EdgecError) and error.exit_code != InternalError.exit_code:
        return error
    if isinstance(error, MemoryError):
        return InputError(
            "memory",
            "this machine has too little for the job",
            remedy="Close other programs, or compile on a machine with more memory",
        )
    if isinstance(error, OSError) and error.errno in _DISK:
        return OutputError(
            str(error.filename or tempfile.gettempdir()),
            f"cannot be written: {error.strerror}",
            remedy="Free some space, or name another temporary folder with TMPDIR",
        )
    if isinstance(error, OSError) and error.errno in _PATH and error.filename:
        return InputError(
            str(error.filename),
            f"cannot be used: {error.strerror}",
            remedy="Check the path and its permissions, or give another",
        )
    if isinstance(error, EdgecError):
        return InternalError(
            error.where,
            error.problem,
            affects=error.affects,
            remedy=f"{error.remedy}. {_reproducer_remedy(error, words)}" if error.remedy else "",
        )
    text = " ".join(str(error).split())
    return InternalError(
        "edgec", f"failed with {type(error).__name__}: {text}", remedy=_reproducer_remedy(error, words).strip()
    )


def _reproducer_remedy(error: BaseException, words: Sequence[str]) -> str:
    try:
        handle, name = tempfile.mkstemp(prefix="edgec-failure-", suffix=".txt", text=True)
        with open(handle, "w", encoding="utf-8") as stream:  # noqa: PTH123 (a descriptor)
            stream.write(f"edgec {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
            stream.write(f"command: edgec {' '.join(map(repr, words))}\nfolder: {Path.cwd()}\n\n")
            stream.writelines(traceback.format_exception(error))
    except OSError:
        return "This is a defect of edgec: report it with the command and the model"
    return f"This is a defect of edgec: report it with {name}"


def _usage_text(error: BaseException) -> str:
    """The parser's message, and the command whose help says more."""
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "edgec"
    text = " ".join(message.split())
    return f"{text}{'' if text.endswith(('.', '?')) else '.'} Try: {path} --help"


def _say(kind: str, message: str, code: int, *, as_json: bool, colour: str = "red", **parts: str) -> int:
    label = "" if kind == "Interrupted" else "error: "
    console = error_console()
    console.print("edgec: ", style="bold", end="")
    console.print(label, style=f"bold {colour}", end="")
    console.print(message)
    if as_json:
        try:
            print_json({"error": {"kind": kind, "message": message, **parts, "exit_code": code}})
        except (ClosedOutput, OutputError):  # nobody reads it; the exit code still tells
            return code
    return code
