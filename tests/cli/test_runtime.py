"""`edgec runtime`, with an apt of our own: what is said before, what is done once, what an error says."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.stub_tools import qemu_packages, stub_apt

Edgec = Callable[..., Any]
COMMANDS = ("install", "list", "remove")

on_intel = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the Haswell is for x86-64 machines"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtimes"
    monkeypatch.setenv("EDGEC_RUNTIMES", str(folder))
    monkeypatch.setenv("EDGEC_DEBIAN_MIRROR", "http://mirror.test/debian")
    return folder


@pytest.fixture
def haswell(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """apt's log; its package of emulators runs this interpreter as it is."""
    return stub_apt(tmp_path / "tools", monkeypatch, qemu_packages())


@on_intel
def test_a_runtime_is_installed_once(edgec: Edgec, home: Path, haswell: Path) -> None:
    first = edgec("runtime", "install", "x86-64-haswell")
    lines = first.err.splitlines()
    assert lines[0] == f"edgec: fetches about 81.0 MB into {home}, 46.0 MB on disk:"
    assert lines[1] == (
        "edgec:   emulators, 81.0 MB: qemu-user 10 of Debian trixie: qemu-aarch64, qemu-arm, qemu-x86_64. "
        "Licence: GPL-2.0-or-later"
    )
    assert lines[2:] == [
        "edgec: emulators: reading the index of Debian trixie for amd64, 10 MB",
        "edgec: emulators: fetching 1 Debian package, 71.1 MB",
        "edgec: x86-64-haswell: starting it",
    ]
    assert first.code == 0
    import onnxruntime

    expected = (
        f"x86-64-haswell: installed, ONNX Runtime {onnxruntime.__version__}, qemu-x86_64 10.0.13, Haswell-noTSX, "
    )
    assert first.out.startswith(expected)
    assert sorted(path.name for path in (home / "emulators/usr/bin").iterdir()) == [
        "qemu-aarch64", "qemu-arm", "qemu-x86_64",
    ]  # fmt: skip
    asked = haswell.read_text()
    second = edgec("runtime", "install", "x86-64-haswell")
    assert (second.code, second.out, second.err) == (0, first.out, "edgec: nothing to fetch\n")
    assert haswell.read_text() == asked == "update\ninstall\n"


@on_intel
def test_json_is_alone_on_stdout(edgec: Edgec, home: Path, haswell: Path) -> None:
    plan = edgec("runtime", "install", "x86-64-haswell", "--dry-run", "--format", "json", "-q")
    values = json.loads(plan.out)
    assert (values["home"], values["fetched"]) == (str(home), [])
    assert [each["name"] for each in values["fetch"]] == ["emulators"]
    assert not home.exists()
    done = edgec("runtime", "install", "x86-64-haswell", "onnxruntime-cpu", "--format=json", "-q")
    assert (done.code, done.err) == (0, "")
    values = json.loads(done.out)
    assert values["fetched"] == ["emulators"]
    assert [(each["name"], each["reason"], each["started"]) for each in values["runtimes"]] == [
        ("x86-64-haswell", None, True),
        ("onnxruntime-cpu", None, True),
    ]
    listed = json.loads(edgec("runtime", "list", "--format", "json").out)
    here = {each["name"]: each for each in listed["runtimes"]}
    assert here["x86-64-haswell"]["emulated"] == "qemu-x86_64 10.0.13, Haswell-noTSX"
    assert here["armv7-cortex-a7"]["reason"] == "it is not installed: edgec runtime install armv7-cortex-a7"
    assert here["armv7-cortex-a7"]["command"] == "edgec runtime install armv7-cortex-a7"
    assert listed["bytes"] > here["x86-64-haswell"]["bytes"] > 0


@on_intel
def test_the_list_says_what_is_here_and_what_mends_the_rest(edgec: Edgec, home: Path, haswell: Path) -> None:
    before = edgec("runtime", "list")
    assert (before.code, before.err) == (0, "")
    rows = {line.split()[0]: line for line in before.out.splitlines() if line}
    assert rows["onnxruntime-cpu"].split()[1] == "yes"
    assert rows["x86-64-haswell"].split(maxsplit=3) == [
        "x86-64-haswell", "no", "CPU", "it is not installed: edgec runtime install x86-64-haswell (about 81.0 MB)",
    ]  # fmt: skip
    assert edgec("runtime", "install", "x86-64-haswell", "-q").code == 0
    rows = {line.split()[0]: line for line in edgec("runtime", "list").out.splitlines() if line}
    assert rows["x86-64-haswell"].split()[1] == "yes"
    assert "(about 48.0 MB)" in rows["armv7-cortex-a7"]  # the emulators are here


@on_intel
def test_a_runtime_is_removed(edgec: Edgec, home: Path, haswell: Path) -> None:
    assert edgec("runtime", "install", "x86-64-haswell", "-q").code == 0
    assert edgec("runtime", "remove", "x86-64-haswell").out == "deleted: emulators\n"
    assert edgec("runtime", "remove", "x86-64-haswell").out == "nothing to delete\n"
    assert json.loads(edgec("runtime", "remove", "x86-64-haswell", "--format", "json").out) == {"deleted": []}


@on_intel
def test_one_that_does_not_start_says_why(edgec: Edgec, home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    packages = qemu_packages()
    for files in packages.values():
        files["usr/bin/qemu-x86_64"] = "#!/bin/sh\necho 'qemu: no such instruction' >&2\nexit 3\n"
    stub_apt(tmp_path / "tools", monkeypatch, packages)
    answer = edgec("runtime", "install", "x86-64-haswell", "-q")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err == (
        "edgec: error: runtime 'x86-64-haswell': died (start): exit code 3. "
        "Its last words: qemu: no such instruction. "
        "See its last words; `edgec runtime list` says what is installed.\n"
    )


@on_intel
@pytest.mark.parametrize("number", [2, 15])
def test_an_interrupted_install_leaves_nothing(number: int, home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    log = stub_apt(tmp_path / "tools", monkeypatch, qemu_packages(), install="sleep 60")
    command = [sys.executable, "-m", "edgec", "runtime", "install", "x86-64-haswell"]
    # A shell's background jobs are started with SIGINT ignored, and so would be what they start.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=heard) as process:
        deadline = time.monotonic() + 60
        while not (log.exists() and "install" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("edgec: interrupted\n")
    assert list(home.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="the stub of apt is a shell script")
def test_no_network_is_an_error_in_four_parts(edgec: Edgec, home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    words = "W: Failed to fetch http://mirror.test/debian  Could not resolve 'mirror.test'"
    stub_apt(tmp_path / "tools", monkeypatch, {}, update=f'echo "{words}"')
    answer = edgec("runtime", "install", "arm64-cortex-a72", "-q", "--format", "json")
    assert answer.code == 2
    assert json.loads(answer.out)["error"] == {
        "kind": "InstallError",
        "message": "Debian trixie: cannot be fetched, the network does not answer (apt-get update): W: Failed to fetch "
        "http://mirror.test/debian Could not resolve 'mirror.test'. Connect this machine, or name the proxy to apt, "
        "pip and npm; then install again.",
        "where": "Debian trixie",
        "problem": "cannot be fetched, the network does not answer (apt-get update): W: Failed to fetch "
        "http://mirror.test/debian Could not resolve 'mirror.test'",
        "affects": "",
        "remedy": "Connect this machine, or name the proxy to apt, pip and npm; then install again",
        "exit_code": 2,
    }
    assert list(home.iterdir()) == []


def test_a_dry_run_says_what_it_takes(edgec: Edgec, home: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("edgec.runtimes.web.node_unfit", lambda _: None)
    monkeypatch.setattr("edgec.runtimes.webgpu._unfit", lambda: None)
    monkeypatch.setattr("edgec.runtimes.chromium._unfit", lambda: None)
    answer = edgec("runtime", "install", "--all", "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    assert len(answer.out.splitlines()) == 12
    assert answer.out.startswith(f"fetches about 776 MB into {home}, ")
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("install", "arm64-cortex-a75"),
            "runtime 'arm64-cortex-a75': is not known, did you mean 'arm64-cortex-a76'? Known are arm64-cortex-a53, "
            "arm64-cortex-a72, arm64-cortex-a76, armv7-cortex-a7, x86-64-haswell, xnnpack-x86-64, xnnpack-arm64, "
            "qnn-htp, qnn-htp-v73, qnn-htp-v79, web-wasm, web-wasm-chromium, webgpu-chromium, webgpu-node, "
            "openvino-cpu, coreml, cuda, tensorrt, onnxruntime-1.16 to onnxruntime-1.30.",
        ),
        (("install",), "NAME: give names of runtimes, or --all. `edgec runtime list` shows what there is."),
        (
            ("install", "x86-64-haswell", "--all"),
            "NAME: give names of runtimes, or --all. `edgec runtime list` shows what there is.",
        ),
        ((), "Missing command. Try: edgec runtime --help"),
    ],
)
def test_bad_words_are_said(words: tuple[str, ...], message: str, edgec: Edgec, home: Path) -> None:
    answer = edgec("runtime", *words)
    assert (answer.code, answer.out, answer.err) == (2, "", f"edgec: error: {message}\n")
    assert not home.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_of_itself(command: str, edgec: Edgec) -> None:
    page = edgec("runtime", command, "--help").out
    examples = page.partition("\nExamples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith(f"  edgec runtime {command}") for line in examples)


def test_the_front_page_knows_it(edgec: Edgec) -> None:
    assert "  runtime   Install, list, remove what executes." in edgec("--help").out.splitlines()
