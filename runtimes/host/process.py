"""A host: a process that answers requests, and every way in which it may fail to."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...errors import HostError, OptionError
from .. import runner
from ..device.script import python
from .child import Child
from .launch import Launch

__all__ = ["START_SECONDS", "Host", "answer_seconds"]

START_SECONDS = 120.0  # an emulated interpreter needs 3 to 10 on an idle machine
REQUEST_SECONDS = 600.0
_SECONDS = "EDGEC_HOST_SECONDS"
_DYING_SECONDS = 5.0  # between the end of its output and its own
_HELLO = frozenset({"onnxruntime", "numpy", "python", "machine", "system", "providers"})
# Reads its own source from the stream that requests come by: for hosts that do not see our files.
_BOOTSTRAP = (
    "import sys; s=sys.stdin.buffer; exec(compile(s.read(int(s.readline())),'runner','exec'),g:={'__name__':'runner'});"
    " g['serve_receipts'](sys.argv[1:])"
)


def answer_seconds(default: float) -> float:
    """How long a host may take for one answer, its first word included: `EDGEC_HOST_SECONDS`, or the default.

    Raises:
        OptionError: `EDGEC_HOST_SECONDS` is no number of seconds.
    """
    given = os.environ.get(_SECONDS, "")
    if not given:
        return default
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise OptionError(_SECONDS, f"is {given!r}, which is no number of seconds", remedy="Set it to one, or unset it")
    return seconds


class Host:
    """A running runner.

    It leaves when its input closes, so it survives no end of this process, `SIGKILL` included.

    Args:
        name: What the user calls this place.
        launch: How its interpreter is started.

    Raises:
        HostError: It does not start, or what answers is not our runner.
        OptionError: `EDGEC_HOST_SECONDS` is no number of seconds.
    """

    def __init__(self, name: str, launch: Launch) -> None:
        self.name = name
        self.launch = launch
        seconds = answer_seconds(START_SECONDS)
        sent = launch.runner is None and not launch.shares_files
        source = ("-c", _BOOTSTRAP) if sent else (str(launch.runner or runner.__file__),)
        tail = (*source, *map(str, launch.site))
        if launch.quoted:
            tail = tuple(map(shlex.quote, tail))
        plugin = {} if launch.plugin is None else launch.plugin.environment()
        environment = {**_clean(os.environ), **launch.environment, **plugin}
        try:
            self._child = Child([*launch.command, *tail], environment, here=not launch.quoted)
        except OSError as error:
            raise HostError(
                f"runtime {name!r}",
                f"cannot be started: {launch.command[0]}: {error.strerror}",
                remedy="See `edgec runtime list`",
            ) from error
        self._forgotten: deque[int] = deque()
        self._end = weakref.finalize(self, self._child.end)
        with self._exchange("start", seconds):
            if sent:
                code = python().encode()
                self._child.stdin.write(b"%d\n" % len(code) + code)
                self._child.stdin.flush()
            self.hello = self._answer()[0]
            if "error" not in self.hello and not self.hello.keys() >= _HELLO:
                raise runner.GarbageError(json.dumps(self.hello).encode())
        if "error" in self.hello:
            self.close()
            raise HostError(
                f"runtime {name!r}",
                f"its interpreter starts, but cannot {self._missed()}: {self.hello['message']}",
                remedy=launch.mend or f"Install it anew: edgec runtime install {name} --force",
            )

    def _missed(self) -> str:
        """What a host could not do whose first word is an error."""
        if self.hello["error"] == "plugin" and self.launch.plugin is not None:
            return f"load {self.launch.plugin.provider}"
        if self.hello["error"] == "browser":
            return "start its browser"
        return "import onnxruntime"

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._end.alive and self._child.running

    @property
    def process_id(self) -> int:
        """The process it runs in here; an emulator's, where there is one."""
        return self._child.process_id

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
            OptionError: `EDGEC_HOST_SECONDS` is no number of seconds.
        """
        seconds = answer_seconds(REQUEST_SECONDS)
        with self._exchange(what, seconds):
            forget = [self._forgotten.popleft() for _ in range(len(self._forgotten))]
            runner.write_message(self._child.stdin, {**request, "forget": forget}, dict(arrays))
            return self._answer()

    def forget(self, number: int) -> None:
        """Close a session with the next request; safe wherever the garbage collector may run."""
        self._forgotten.append(number)

    def close(self) -> None:
        """End it; it cannot be asked afterwards."""
        self._end()

    def _answer(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        message = runner.read_message(self._child.stdout)
        if message is None:
            raise EOFError
        return message

    @contextlib.contextmanager
    def _exchange(self, what: str, seconds: float) -> Iterator[None]:
        """One exchange at a time; whatever ends it early ends the host, for its streams would be out of step."""
        late = threading.Event()

        def kill() -> None:  # unblocks reading from it and writing to it
            late.set()
            self._child.kill()

        with self._child.exchange:
            timer = threading.Timer(seconds, kill)
            timer.daemon = True
            timer.start()
            try:
                yield
            except (OSError, EOFError, ValueError, runner.GarbageError) as error:  # ValueError: its streams are closed
                raise self._broken(error, late, what, seconds) from error
            except BaseException:
                self.close()
                raise
            finally:
                timer.cancel()

    def _broken(self, error: Exception, late: threading.Event, what: str, seconds: float) -> HostError:
        """What to tell the user, after putting an end to the host."""
        garbage = isinstance(error, runner.GarbageError)
        code = None if garbage else self._child.code(_DYING_SECONDS)
        log = self._child.log()
        self.close()
        remedy = "See its last words; `edgec runtime list` says what is installed"
        if late.is_set():
            problem = f"did not answer within {seconds:g} s ({what})"
            remedy = f"Give it longer with {_SECONDS}, or less to do"
        elif isinstance(error, runner.GarbageError):
            problem = f"answered something else than its runner does ({what}): {error.found[:40]!r}"
            remedy = "Check the command that starts it: it must leave its standard output to the runner"
        elif code is None:
            problem = f"closed its output without an answer, and ran on ({what})"
        else:
            problem = f"died ({what}): {_ending(code)}"
            if not log:
                remedy = "Check that machine's memory and its system's log; it left no words itself"
        return HostError(
            f"runtime {self.name!r}", problem, affects=f"Its last words: {log}" if log else "", remedy=remedy
        )


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
