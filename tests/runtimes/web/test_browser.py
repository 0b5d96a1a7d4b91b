"""Every way in which a browser may fail to start, or to go on, is one error that names it; it ends with its client."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.hosts import ENDLESS, gone, model, until
from support.node import NEEDS_NODE

from edgec.errors import HostError
from edgec.runtimes.chromium import RUNNER
from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.places import places

pytestmark = [NEEDS_NODE, pytest.mark.skipif(sys.platform == "win32", reason="the stub of a browser is a shell script")]
ONE = np.ones(1, np.float32)
SEE = "See its last words; `edgec runtime list` says what is installed."
ANEW = "Install it anew: edgec runtime install place --force."


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str], HostRuntime]:
    """A place whose browser is a shell script."""

    def build(script: str) -> HostRuntime:
        program = tmp_path / "browser"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return place(Launch(command=("node",), environment={"EDGEC_BROWSER": str(program)}, site=(tmp_path,)))

    return build


def place(launch: Launch) -> HostRuntime:
    launch = replace(launch, runner=RUNNER, shares_files=False)
    return HostRuntime(name="place", launch=lambda: launch, missing=lambda: None)


def refused(runtime: HostRuntime) -> str:
    with closing(runtime), pytest.raises(HostError) as caught:
        runtime.open(model())
    assert caught.value.exit_code == 3
    return str(caught.value)


# ---- a browser that does not start


def test_no_browser_there(tmp_path: Path) -> None:
    program = tmp_path / "nothing"
    launch = Launch(command=("node",), environment={"EDGEC_BROWSER": str(program)}, site=(tmp_path,))
    assert refused(place(launch)) == (
        f"runtime 'place': its interpreter starts, but cannot start its browser: {program}: ENOENT. {ANEW}"
    )


def test_a_library_is_missing(stub: Callable[[str], HostRuntime]) -> None:
    said = "browser: error while loading shared libraries: libnss3.so: cannot open shared object file"
    assert refused(stub(f"echo '{said}' >&2; exit 127")) == (
        "runtime 'place': its interpreter starts, but cannot start its browser: the browser left with exit code 127: "
        f"{said}. {ANEW}"
    )


def test_it_is_killed_at_once(stub: Callable[[str], HostRuntime]) -> None:
    noise = "[1121/180442.289861:ERROR:dbus/bus.cc:405] Failed to connect to the bus"
    assert refused(stub(f"echo '{noise}' >&2; echo out of luck >&2; kill -KILL $$")) == (
        "runtime 'place': its interpreter starts, but cannot start its browser: the browser left with SIGKILL: "
        f"out of luck. {ANEW}"
    )


def test_it_never_opens_the_page(stub: Callable[[str], HostRuntime], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "2")
    assert refused(stub("exec sleep 1000")) == (
        "runtime 'place': did not answer within 2 s (start). Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


def test_it_gets_a_folder_of_its_own_no_names_and_no_proxy(stub: Callable[[str], HostRuntime], tmp_path: Path) -> None:
    refused(stub(f'echo "$HOME|$LD_LIBRARY_PATH|$@" > {tmp_path}/told'))
    home, libraries, options = (tmp_path / "told").read_text().split("|")
    assert libraries == ""
    assert f"--user-data-dir={home}/profile" in options
    assert not Path(home).exists()
    for option in ("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"):
        assert option in options
    assert options.split()[-1].startswith("http://127.0.0.1:")


# ---- Chromium itself


@pytest.fixture
def chromium() -> Iterator[HostRuntime]:
    found = places()["web-wasm-chromium"]
    if reason := found.missing():
        pytest.skip(f"web-wasm-chromium: {reason}")
    with closing(place(found.launch())) as made:
        yield made


@pytest.mark.targets
def test_a_package_without_its_library(chromium: HostRuntime, tmp_path: Path) -> None:
    launch = replace(chromium._launch(), site=(tmp_path,))
    message = refused(place(launch))
    assert message.startswith("runtime 'place': its interpreter starts, but cannot import onnxruntime: TypeError: ")
    assert "ort.wasm.min.mjs" in message


@pytest.mark.targets
def test_its_libraries_are_missing(chromium: HostRuntime) -> None:
    told = chromium._launch()
    launch = replace(told, environment={**told.environment, "EDGEC_BROWSER_LIBRARIES": "/nowhere"})
    if not subprocess.run(
        ["ldd", told.environment["EDGEC_BROWSER"]], capture_output=True, text=True, check=False
    ).stdout.count("not found"):
        pytest.skip("this machine has them all itself")
    message = refused(place(launch))
    assert "cannot start its browser: the browser left with exit code 127: " in message
    assert "error while loading shared libraries: " in message


def family(process: int) -> list[psutil.Process]:
    """Node and all of the browser."""
    first = psutil.Process(process)
    return [first, *first.children(recursive=True)]


def a(kind: str, among: list[psutil.Process]) -> psutil.Process:
    """The browser's process of a type; the first of all is of none."""
    types = {each: [word for word in each.cmdline() if word.startswith("--type=")] for each in among[1:]}
    return next(each for each, found in types.items() if found == ([f"--type={kind}"] if kind else []))


@pytest.mark.targets
@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("renderer", f"exit code 1. Its last words: its page is gone. {SEE}"),
        ("", f"exit code 1. Its last words: the browser left with SIGKILL. {SEE}"),
        ("node", "killed by SIGKILL. Check that machine's memory and its system's log; it left no words itself."),
    ],
    ids=["the page's process", "the browser", "Node"],
)
def test_it_is_killed_in_a_run(chromium: HostRuntime, who: str, words: str) -> None:
    with busy(chromium) as (among, failed):
        (among[0] if who == "node" else a(who, among)).kill()
        until(lambda: bool(failed), "the run fails")
        assert failed == [f"runtime 'place': died (run): {words}"]
        until(lambda: all(gone(each.pid) for each in among), "all of it ends")


@pytest.mark.targets
def test_it_leaves_in_the_middle_of_a_kernel(chromium: HostRuntime) -> None:
    with busy(chromium) as (among, _):
        chromium._running()._child.stdin.close()
        until(lambda: all(gone(each.pid) for each in among), "all of it ends")


@contextlib.contextmanager
def busy(chromium: HostRuntime) -> Iterator[tuple[list[psutil.Process], list[str]]]:
    """A run that never ends, the processes it keeps busy, and what it fails with."""
    session = chromium.open(model(ENDLESS))
    failed: list[str] = []

    def wait_for_ever() -> None:
        try:
            session.run({"x": ONE})
        except HostError as error:
            failed.append(str(error))

    endless = threading.Thread(target=wait_for_ever)
    endless.start()
    among = family(chromium._running().process_id)
    page = a("renderer", among)
    before = sum(page.cpu_times()[:2])
    until(lambda: sum(page.cpu_times()[:2]) > before + 0.3, "the endless run is under way")
    yield among, failed
    endless.join(60)


CLIENT = """
import sys, threading, time
import numpy as np
from edgec.runtimes import runtime
from support.hosts import ENDLESS, model
place = runtime("web-wasm-chromium")
session = place.open(model(ENDLESS))
print(place._running().process_id, flush=True)
threading.Thread(target=session.run, args=({"x": np.ones(1, np.float32)},), daemon=True).start()
time.sleep(1000)
"""


@pytest.mark.targets
@pytest.mark.parametrize("node_too", [False, True])
def test_no_browser_outlives_a_client_that_is_killed(chromium: HostRuntime, tmp_path: Path, node_too: bool) -> None:
    """Not even when Node, which would end it, is killed with the client: it closes when its debugging pipe does."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": path}
    with subprocess.Popen([sys.executable, "-c", CLIENT], env=environment, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        node = int(client.stdout.readline())
        among = family(node)
        if node_too:
            os.kill(node, signal.SIGSTOP)
        client.kill()
        if node_too:
            os.kill(node, signal.SIGKILL)
    until(lambda: all(gone(each.pid) for each in among), "all of it ends")
    assert node_too or not list(tmp_path.iterdir())
