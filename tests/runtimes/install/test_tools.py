from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgec.errors import EdgecError, InstallError, OutputError
from edgec.runtimes.install.tools import failure, run_tool

HOME = Path("/home/me/runtimes")


def error_of(*lines: str) -> EdgecError:
    return failure("emulators", "apt-get update", lines, HOME, remedy="Try again later")


def test_lines_come_as_they_are_said() -> None:
    heard: list[str] = []
    code, lines = run_tool(
        [sys.executable, "-c", "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(7)"],
        heard=heard.append,
    )
    assert (code, lines) == (7, ["one", "two"])
    assert heard == lines


def test_it_speaks_english_and_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    code = "import os, sys; print(os.environ['LC_ALL'], os.environ['EXTRA'], repr(sys.stdin.read()))"
    assert run_tool([sys.executable, "-c", code], environment={"EXTRA": "x"}) == (0, ["C x ''"])


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_an_interrupt_ends_it_and_what_it_started() -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    found: list[int] = []

    def interrupt(line: str) -> None:
        found.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tool([sys.executable, "-c", code], heard=interrupt)
    deadline = time.monotonic() + 10
    while _runs(found[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(found[0])


def _runs(process: int) -> bool:
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False).stdout
    return bool(said.strip()) and not said.strip().startswith("Z")


@pytest.mark.parametrize(
    "line",
    [
        "W: Failed to fetch http://m/InRelease Temporary failure resolving 'm'",
        "E: Unable to connect to m:80:",
        "ERROR: NewConnectionError('<...>: Failed to establish a new connection: [Errno 101] Network is unreachable')",
        "E: Could not connect to 127.0.0.1:3128 (127.0.0.1). - connect (111: Connection refused)",
        "npm error code ENOTFOUND",
        "npm ERR! network request to https://m/onnxruntime-web failed, reason: getaddrinfo EAI_AGAIN m",
    ],
)
def test_no_network_is_said(line: str) -> None:
    error = error_of("Hit:1 x", line)
    assert isinstance(error, InstallError)
    assert str(error) == (
        f"emulators: cannot be fetched, the network does not answer (apt-get update): {line}. "
        "Connect this machine, or name the proxy to apt, pip and npm; then install again."
    )


@pytest.mark.parametrize(
    "line",
    [
        "E: You don't have enough free space in /x/archives/.",
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        "E: Write error - write (122: Disk quota exceeded)",
    ],
)
def test_a_full_disk_is_said(line: str) -> None:
    error = error_of(line, "Could not connect")
    assert isinstance(error, OutputError)
    assert str(error) == (
        "/home/me/runtimes: the disk is full. Nothing half-written is left. "
        "Free some space, or name another folder with EDGEC_RUNTIMES."
    )


def test_anything_else_is_quoted() -> None:
    assert str(error_of("Reading...", "E: one", "E:  two", "E: three", "E: four", "Done")) == (
        "emulators: apt-get update failed: E: two | E: three | E: four. Try again later."
    )
    assert str(error_of("some", "", "words")) == "emulators: apt-get update failed: some | words. Try again later."
