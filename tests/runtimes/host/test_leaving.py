"""However a client leaves, its hosts leave too, the idle and the busy one, and nothing they wrote stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.hosts import gone, until

# A client with two hosts: one idle, one in the middle of a run that never ends. Both have a model in their folder.
CLIENT = """
import os, sys, threading, time
from pathlib import Path
import numpy as np
from support.hosts import ENDLESS, model, place

one, file, slow = np.ones(1, np.float32), Path("model.onnx"), Path("slow.onnx")
file.write_bytes(model())
slow.write_bytes(model(ENDLESS))
idle, busy = place(shares_files=False), place(shares_files=False)
session, endless = idle.open(file), busy.open(slow)
session.run({"x": one})
threading.Thread(target=endless.run, args=({"x": one},), daemon=True).start()
print(idle._running().process_id, busy._running().process_id, flush=True)
"""
# A shell's background jobs are started with SIGINT ignored, and so would be what they start.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are not those of Windows")
WAIT = "time.sleep(1000)"
LEAVING = {
    "SIGTERM": (WAIT, "SIGTERM"),
    "SIGINT": (WAIT, "SIGINT"),
    "SIGHUP": (WAIT, "SIGHUP"),
    "SIGKILL": (WAIT, "SIGKILL"),
    "at the end": ("sys.stdin.readline()", ""),
    "exit": ("sys.stdin.readline(); sys.exit(3)", ""),
    "exception": ("sys.stdin.readline(); raise RuntimeError", ""),
    "at once": ("sys.stdin.readline(); os._exit(0)", ""),
    "interrupted in a run": ("idle.open(slow).run({'x': one})", "SIGINT"),
    "killed in a run": ("idle.open(slow).run({'x': one})", "SIGKILL"),
    "fork": ("os.fork() or sys.exit(); sys.stdin.readline(); session.run({'x': one}); os._exit(0)", ""),
}


@contextlib.contextmanager
def client(script: str, folder: Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    scratch = folder / "scratch"
    scratch.mkdir()
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    process: subprocess.Popen[str] = subprocess.Popen(
        [sys.executable, "-c", f"{HEARS}\n{script}"],
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": path},
        cwd=folder,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **options,  # type: ignore[call-overload]
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@POSIX
@pytest.mark.parametrize("way", LEAVING)
def test_no_host_outlives_its_client(tmp_path, way):
    last, name = LEAVING[way]
    with client(f"{CLIENT}\n{last}\n", tmp_path) as leaving:
        hosts = [int(number) for number in leaving.stdout.readline().split()]
        assert len(hosts) == 2
        before = cpu_seconds(hosts[1])
        until(lambda: cpu_seconds(hosts[1]) > before + 0.3, "the endless run is under way")
        assert not any(gone(number) for number in hosts)
        if name:
            leaving.send_signal(getattr(signal, name))
        else:
            leaving.communicate("go\n", timeout=60)
        assert leaving.wait(60) == {"exit": 3, "exception": 1}.get(way, 0) or name
        for number in hosts:
            until(lambda number=number: gone(number), f"host {number} ends")
    until(lambda: not list((tmp_path / "scratch").iterdir()), "their folders are deleted")


def cpu_seconds(process: int) -> float:
    return sum(psutil.Process(process).cpu_times()[:2])


STEADY = """
import time
import numpy as np
from support.hosts import model, place

here = place()
session = here.open(model())
number = here._running().process_id
try:
    print(number, flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    pass
session.run({"x": np.ones(1, np.float32)})
print(number == here._running().process_id, flush=True)
"""


@POSIX
def test_ctrl_c_reaches_the_client_alone(tmp_path):
    """A terminal sends it to the whole group: the client decides, and its host still answers."""
    with client(STEADY, tmp_path, start_new_session=True) as steady:
        number = int(steady.stdout.readline())
        os.killpg(steady.pid, signal.SIGINT)
        os.kill(number, signal.SIGINT)  # nor does it mind one of its own
        assert steady.stdout.readline() == "True\n"
        assert steady.wait(60) == 0
        until(lambda: gone(number), "the host ends")
