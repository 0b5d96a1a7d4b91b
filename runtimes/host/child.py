"""A child process that ends as a whole: its group, its folder and its log with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

__all__ = ["Child"]

_LEAVE_SECONDS = 2.0  # it leaves by itself when its input closes
_LOG_BYTES = 4096
_LOG_LINES = 12


class Child:
    """A process with pipes to its standard input and output, and a log of what it writes to its standard error.

    It leads a group of its own: what a terminal sends to ours (Ctrl-C) does not reach it, and all of it can be killed
    at once. When its first process ends, the rest of the group is killed: nobody is left to hold its pipes open.

    Args:
        command: The program and its arguments.
        environment: All its variables.
        here: Whether it writes to this machine's disk: `EDGEC_HOST_FOLDER` is added to its variables, a folder that is
            deleted when it has ended. Elsewhere it cares for a folder of its own.

    Raises:
        OSError: There is no such program, or it cannot be executed.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, here: bool = True) -> None:
        self.exchange = threading.Lock()  # held while a message goes there and another comes back
        self._owner = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="edgec-")) if here else None
        # Appended to: the process shares the position in the file with us, who also read it.
        self._log: IO[bytes] = tempfile.TemporaryFile(mode="a+b", prefix="edgec-")  # noqa: SIM115 - closed in `end`
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**environment, "EDGEC_HOST_FOLDER": str(self._folder)} if here else environment,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except BaseException:
            self._log.close()
            self._sweep()
            raise
        self._ended = threading.Event()
        threading.Thread(target=_watch, args=(self._process, self._ended), daemon=True).start()

    @property
    def process_id(self) -> int:
        """Of the first process."""
        return self._process.pid

    @property
    def stdin(self) -> Any:
        return self._process.stdin

    @property
    def stdout(self) -> Any:
        return self._process.stdout

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def code(self, seconds: float) -> int | None:
        """Its exit status once it has ended; None when it still runs after that long."""
        self._ended.wait(seconds)
        return self._process.returncode if self._ended.is_set() else None

    def log(self) -> str:
        """The last lines it wrote to its standard error, as one line."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: it has ended, and the log is closed
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - _LOG_BYTES))
            lines = self._log.read().decode(errors="replace").splitlines()
            return " | ".join([line.strip() for line in lines if line.strip()][-_LOG_LINES:])
        return ""

    def kill(self) -> None:
        """Kill the whole group; whoever reads from it or writes to it is unblocked."""
        if self.running:
            _kill(self._process)

    def end(self) -> None:
        """Let it leave, or kill it: when it does not, or in the middle of an exchange."""
        if os.getpid() != self._owner:  # in a fork of ours, which holds copies of the pipes only
            return
        if self.exchange.locked():  # whoever is blocked in it holds the locks of the streams
            self.kill()
            self._ended.wait(_LEAVE_SECONDS)
        _close(self.stdin)
        if not self._ended.wait(_LEAVE_SECONDS):
            self.kill()
            self._ended.wait(_LEAVE_SECONDS)
        _close(self.stdout)
        self._log.close()
        self._sweep()

    def _sweep(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _close(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # a broken pipe has nothing to flush to
        stream.close()


def _watch(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    """Wait for the end of the group's first process, kill the rest, tell."""
    if hasattr(os, "waitid"):  # leaves it a zombie: while it is one, its number names no other group
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    _kill(process)
    process.wait()
    ended.set()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
