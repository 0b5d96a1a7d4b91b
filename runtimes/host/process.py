"""A host: a process that answers requests, and every way in which it may fail to."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import HostError
from .. import runner
from .launch import Launch

__all__ = ["START_SECONDS", "Host", "request_seconds"]

START_SECONDS = 120.0  # an emulated interpreter needs 3 to 10 on an idle machine
REQUEST_SECONDS = 600.0
_LOG_LINES = 12
# Reads its own source from the stream that requests come by: for hosts that do not see our files.
_BOOTSTRAP = "import sys; s=sys.stdin.buffer; exec(compile(s.read(int(s.readline())),'runner','exec'))"


def request_seconds() -> float:
    """How long a host may take for one answer: `EDGEC_HOST_SECONDS`, else ten minutes."""
    try:
        return max(0.1, float(os.environ.get("EDGEC_HOST_SECONDS", "")))
    except ValueError:
        return REQUEST_SECONDS


class Host:
    """A running runner.

    The process leads a group of its own: what a terminal sends to ours (Ctrl-C) does not reach it, and all of it can
    be killed at once. It leaves when its input closes, so it survives no end of this process, `SIGKILL` included.

    Args:
        name: What the user calls this place.
        launch: How its interpreter is started.

    Raises:
        HostError: It does not start, or what answers is not our runner.
    """

    def __init__(self, name: str, launch: Launch) -> None:
        self.name = name
        self.launch = launch
        self._lock = threading.Lock()
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix="edgec-")  # noqa: SIM115 - closed with the host
        source = Path(runner.__file__)
        tail = (str(source), *map(str, launch.site)) if launch.shares_files else ("-c", _BOOTSTRAP)
        if launch.quoted:
            tail = tuple(map(shlex.quote, tail))
        try:
            self._process = subprocess.Popen(
                [*launch.command, *tail],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**_clean(os.environ), **launch.environment},
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise HostError(
                f"runtime {name!r}",
                f"cannot be started: {launch.command[0]}: {error.strerror}",
                remedy="See `edgec runtime list`",
            ) from error
        self._end = weakref.finalize(self, _end, self._process, self._log)
        with self._deadline(START_SECONDS) as late:
            try:
                if not launch.shares_files:
                    code = source.read_bytes()
                    self._stdin.write(b"%d\n" % len(code) + code)
                    self._stdin.flush()
                hello = runner.read_message(self._stdout)
            except (OSError, EOFError, runner.GarbageError) as error:
                raise self._broken(error, late, "start", START_SECONDS) from error
        if hello is None:
            raise self._broken(None, late, "start", START_SECONDS)
        self.hello = hello[0]
        if "error" in self.hello:
            self.close()
            raise HostError(
                f"runtime {name!r}",
                f"its interpreter starts, but cannot import onnxruntime: {self.hello['message']}",
                remedy=f"Install it anew: edgec runtime install {name} --force",
            )

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._end.alive and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The process it runs in here; an emulator's, where there is one."""
        return self._process.pid

    def ask(
        self, request: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, what: str
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Send one request, wait for its answer.

        Args:
            request: Header of the message.
            arrays: Its arrays.
            what: Names the request in errors ("run", "open model.onnx").

        Returns:
            Header and arrays of the answer; a header with `error` is returned as it is.

        Raises:
            HostError: It died, hung, or answered something else. It is dead afterwards.
        """
        seconds = request_seconds()
        with self._lock, self._deadline(seconds) as late:
            try:
                runner.write_message(self._stdin, dict(request), dict(arrays))
                answer = runner.read_message(self._stdout)
            except (OSError, EOFError, ValueError, runner.GarbageError) as error:  # ValueError: its streams are closed
                raise self._broken(error, late, what, seconds) from error
            except BaseException:  # an interrupted exchange leaves the streams out of step
                self.close()
                raise
        if answer is None:
            raise self._broken(None, late, what, seconds)
        return answer

    def close(self) -> None:
        """End it; it cannot be asked afterwards."""
        self._end()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Any:
        """Kill the host when the block takes longer: that is what unblocks reading from it and writing to it."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            _kill(self._process)

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _broken(self, error: Exception | None, late: threading.Event, what: str, seconds: float) -> HostError:
        """What to tell the user, after putting an end to the host."""
        log, ended = self._last_words(), self._ended()
        self.close()
        where = f"runtime {self.name!r}"
        if late.is_set():
            problem = f"did not answer within {seconds:g} s ({what})"
            remedy = "Give it longer with EDGEC_HOST_SECONDS, or use fewer samples"
        elif isinstance(error, runner.GarbageError):
            problem = f"answered something else than its runner does ({what}): {error.found[:40]!r}"
            remedy = "Check the command that starts it: it must leave its standard output to the runner"
        else:
            problem = f"died ({what}): {ended}"
            remedy = "See its last words; `edgec runtime list` says what is installed"
        return HostError(where, problem, affects=f"Its last words: {log}" if log else "", remedy=remedy)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - 4096))
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            return " | ".join(line.strip() for line in lines[-_LOG_LINES:] if line.strip())
        return ""

    def _ended(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its output and still runs"
        return _ending(code)


def _ending(code: int) -> str:
    """An exit status in words; emulators and shells report a signal as 128 + its number."""
    number = -code if code < 0 else code - 128 if code > 128 else 0
    try:
        return f"killed by {signal.Signals(number).name}" if number else f"exit code {code}"
    except ValueError:
        return f"exit code {code}"


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what would lead another interpreter to our modules."""
    return {name: value for name, value in environment.items() if not name.startswith(("PYTHON", "LD_", "QEMU_"))}


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # a broken pipe has nothing to flush to
            if stream is not None:
                stream.close()
    try:
        process.wait(timeout=2)  # it leaves by itself when its input closes
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()
    log.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
