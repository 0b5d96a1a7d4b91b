"""Runs the programs that fetch, and tells their failures apart: offline, disk full, anything else."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import EdgecError, InstallError, OutputError
from .home import HOME_VARIABLE
from .say import Say, silent

__all__ = ["disk_full", "failure", "run_tool"]

_FULL = re.compile(r"No space left on device|enough free space|Disk quota exceeded")
_OFFLINE = re.compile(
    r"Temporary failure|Could not resolve|Could not connect|Unable to connect|Connection (?:timed out|refused|failed)"
    r"|Network is unreachable|NewConnectionError|NameResolutionError|Name or service not known|ConnectTimeout"
    r"|ProxyError|Read timed out|Could not wait for server fd"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|network timeout",
    re.IGNORECASE,
)
_TELLING = re.compile(r"^(?:[EW]:|Err:|ERROR|error|npm (?:error|ERR!) [^ ])")


def run_tool(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    heard: Say = silent,
) -> tuple[int, list[str]]:
    """Run a program to its end; it and all it started die with an exception here.

    Args:
        command: Program and arguments.
        environment: Variables added to ours.
        heard: Told each line as it comes.

    Returns:
        Exit code, and the lines of stdout and stderr as they came, in English.
    """
    lines: list[str] = []
    with subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                heard(lines[-1])
        except BaseException:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, lines


def failure(where: str, what: str, lines: Sequence[str], home: Path, *, remedy: str) -> EdgecError:
    """The error a tool's last words amount to.

    Args:
        where: What was to be fetched.
        what: What the tool was to do, as "apt-get update".
        lines: All it said.
        home: Where it wrote to.
        remedy: What to do when it is neither the network nor the disk.
    """
    text = "\n".join(lines)
    if _FULL.search(text):
        return disk_full(home)
    telling = [line for line in lines if _TELLING.match(line)] or [line for line in lines if line.strip()]
    said = " | ".join(" ".join(line.split()) for line in telling[-3:])
    if _OFFLINE.search(text):
        return InstallError(
            where,
            f"cannot be fetched, the network does not answer ({what}): {said}",
            remedy="Connect this machine, or name the proxy to apt, pip and npm; then install again",
        )
    return InstallError(where, f"{what} failed: {said}", remedy=remedy)


def disk_full(home: Path) -> OutputError:
    """The error of a disk that filled up."""
    return OutputError(
        str(home),
        "the disk is full",
        affects="Nothing half-written is left",
        remedy=f"Free some space, or name another folder with {HOME_VARIABLE}",
    )
