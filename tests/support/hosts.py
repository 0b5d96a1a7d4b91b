"""Places for the tests of hosts: our interpreter with the real runner, or with one that misbehaves as it is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import onnx
import psutil

from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime

__all__ = ["ENDLESS", "IDENTITY", "gone", "model", "place", "spoiled", "until"]

IDENTITY = """<ir_version: 8, opset_import: ["": 17]>
g (float[N] x) => (float[N] y) { y = Identity(x) }"""
# Adds 1 as often as 2**50 has units: for all who wait for it, it never ends.
ENDLESS = """<ir_version: 8, opset_import: ["": 17]>
g (float[1] x) => (float[1] y) {
    n = Constant<value: tensor = int64 {1125899906842624}>()
    t = Constant<value: tensor = bool {1}>()
    y = Loop(n, t, x) <body = b (int64 i, bool c, float[1] a) => (bool d, float[1] e) {
        d = Identity(c)
        one = Constant<value: tensor = float[1] {1.0}>()
        e = Add(a, one)
    }>
}"""
DEADLINE = 60.0  # of what takes less than a second on an idle machine

# The runner with one function in the place of another. It notes its process and that of a child, which inherits its
# pipes, and where it writes.
_GUEST = """
import importlib.util, os, subprocess, sys, time, signal
notes = os.path.dirname(__file__)
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])
with open(os.path.join(notes, "processes"), "a") as file:
    file.write(f"{os.getpid()}\\n{child.pid}\\n")
spec = importlib.util.spec_from_file_location("runner", sys.argv[1])
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
"""
_AT_RUN = """
send, running = runner.write_message, False
def run(self, request, arrays):
    global running
    running = True
    return {}, {}
def write(stream, header, arrays):
    if not running:
        return send(stream, header, arrays)
    sys.stderr.write("about to fail\\n")
    sys.stderr.flush()
    misbehave(stream, header, arrays)
runner._Server._run, runner.write_message = run, write
runner.main(sys.argv[2:])
"""


def model(text: str = IDENTITY) -> bytes:
    return onnx.parser.parse_model(text).SerializeToString()


def place(command: list[str] | None = None, name: str = "place", **launch: object) -> HostRuntime:
    """The runtime of a command; of this interpreter, when none is given."""
    made = Launch(command=tuple(command or [sys.executable]), **launch)  # type: ignore[arg-type]
    return HostRuntime(name=name, launch=lambda: made, missing=lambda: None)


def spoiled(folder: Path, *, at_start: str = "", at_run: str = "") -> HostRuntime:
    """A place whose runner does something else at its start, or in the place of answering a run.

    Args:
        folder: Where its script lies, and where it notes its processes.
        at_start: Statements to execute before the runner's own.
        at_run: Body of `misbehave(stream, header, arrays)`, called where an answer would be sent.
    """
    script = folder / "guest.py"
    body = "\n    ".join(at_run.strip().splitlines()) or "send(stream, header, arrays)"
    script.write_text(f"{_GUEST}\n{at_start}\ndef misbehave(stream, header, arrays):\n    {body}\n{_AT_RUN}")
    return place([sys.executable, str(script)])


def gone(process: int) -> bool:
    """Whether a process has ended; a zombie nobody waits for has."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, as long as a busy machine may need."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {DEADLINE:g} s"
        time.sleep(0.02)
