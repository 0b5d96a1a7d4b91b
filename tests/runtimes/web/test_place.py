"""Whether this machine can run WebAssembly, and how it is started."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgec.errors import HostError, InstallError
from edgec.runtimes import runtime
from edgec.runtimes.chromium import RUNNER as BROWSER
from edgec.runtimes.install.plan import plan_install
from edgec.runtimes.places import places
from edgec.runtimes.web import RUNNER
from edgec.runtimes.webgpu import RUNNER as GPU

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the stub of node is a shell script")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one empty folder, and a home with nothing in it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "home"))
    return folder


def stub(folder: Path, name: str, shell: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{shell}\n")
    (folder / name).chmod(0o755)


def installed(home: Path) -> None:
    (name,) = places()["web-wasm"].needs
    (home / name).mkdir(parents=True)
    (home / name / "installed.json").write_text(json.dumps({"component": name, "bytes": 1, "items": []}))


def test_no_node(tools: Path) -> None:
    reason = "it needs Node.js 20 or newer, there is no node on PATH"
    assert runtime("web-wasm").available() == reason
    with pytest.raises(InstallError) as caught:
        plan_install(["web-wasm"])
    assert str(caught.value) == f"runtime 'web-wasm': cannot be installed: {reason}. See `edgec runtime list`."
    with pytest.raises(HostError) as closed:
        runtime("web-wasm").open(b"")
    assert str(closed.value) == f"runtime 'web-wasm': is not available here: {reason}. See `edgec runtime list`."


@POSIX
@pytest.mark.parametrize(
    ("shell", "says"),
    [
        ("echo v18.19.0", "{node} is v18.19.0"),
        ("echo v9.1.0", "{node} is v9.1.0"),
        ("echo what?", "{node} says 'what?'"),
        ("echo broken library >&2; exit 127", "{node} says 'broken library'"),
    ],
)
def test_a_node_too_old_or_none_at_all(tools: Path, shell: str, says: str) -> None:
    stub(tools, "node", shell)
    assert runtime("web-wasm").available() == f"it needs Node.js 20 or newer, {says.format(node=tools / 'node')}"


@POSIX
def test_npm_is_needed_to_install_and_not_to_run(tools: Path, tmp_path: Path) -> None:
    stub(tools, "node", "echo v22.1.0")
    assert runtime("web-wasm").available() == "it needs npm to be installed, there is none on PATH"
    stub(tools, "npm")
    assert runtime("web-wasm").available() == "it is not installed: edgec runtime install web-wasm"
    (tools / "npm").unlink()
    installed(tmp_path / "home")
    assert runtime("web-wasm").available() is None


@POSIX
def test_any_system_will_do(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(tools, "node", "echo v20.0.0")
    stub(tools, "npm")
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert [each.name for each in plan_install(["web-wasm"]).fetch] == list(places()["web-wasm"].needs)


@POSIX
def test_how_it_is_started(tools: Path, tmp_path: Path) -> None:
    stub(tools, "node", "echo v20.0.0")
    place = places()["web-wasm"]
    launch = place.launch()
    assert launch.command == (str(tools / "node"),)
    assert launch.site == (tmp_path / "home" / place.needs[0],)
    assert (launch.runner, launch.shares_files, launch.emulated) == (RUNNER, False, "")
    assert launch.environment == {"NODE_OPTIONS": ""}
    assert all(RUNNER.with_name(f"{name}.mjs").is_file() for name in ("runner", "messages", "sessions", "stdio"))


# ---- in a browser


@POSIX
@pytest.mark.parametrize(
    ("system", "machine", "glibc", "reason"),
    [
        ("darwin", "arm64", ("", ""), "it needs Linux on x86_64 or aarch64, this is darwin on arm64"),
        ("linux", "riscv64", ("glibc", "2.41"), "it needs Linux on x86_64 or aarch64, this is linux on riscv64"),
        ("linux", "x86_64", ("glibc", "2.35"), "it needs glibc 2.36 or newer, this is glibc 2.35"),
        ("linux", "aarch64", ("", ""), "it needs glibc 2.36 or newer, this is another C library"),
        ("linux", "x86_64", ("glibc", "2.36"), "it needs Node.js 20 or newer, there is no node on PATH"),
    ],
)
def test_where_the_browser_can_run(
    tools: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, glibc: tuple[str, str], reason: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: glibc)
    assert runtime("web-wasm-chromium").available() == reason
    with pytest.raises(InstallError) as caught:
        plan_install(["web-wasm-chromium"])
    assert str(caught.value) == f"runtime 'web-wasm-chromium': cannot be installed: {reason}. See `edgec runtime list`."


@POSIX
def test_how_the_browser_is_started(tools: Path, tmp_path: Path) -> None:
    stub(tools, "node", "echo v20.0.0")
    place, home = places()["web-wasm-chromium"], tmp_path / "home"
    libraries = home / "chromium-headless" / "usr" / "lib" / "aarch64-linux-gnu"
    libraries.mkdir(parents=True)
    launch = place.launch()
    assert place.needs == (*places()["web-wasm"].needs, "chromium-headless")
    assert launch.command == (str(tools / "node"),)
    assert launch.site == (home / place.needs[0],)
    assert (launch.runner, launch.shares_files, launch.emulated) == (BROWSER, False, "")
    assert launch.environment == {
        "NODE_OPTIONS": "",
        "EDGEC_BROWSER": str(home / "chromium-headless" / "usr" / "lib" / "chromium" / "chromium-headless-shell"),
        "EDGEC_BROWSER_LIBRARIES": f"{libraries}:{libraries}/pulseaudio",
        "EDGEC_BROWSER_PROVIDER": "wasm",
    }
    other = places()["webgpu-chromium"]
    assert other.needs == place.needs
    assert other.providers == ("WebGpuExecutionProvider", "CPUExecutionProvider")
    told = other.launch()
    assert told.environment == {**launch.environment, "EDGEC_BROWSER_PROVIDER": "webgpu"}
    assert (told.command, told.emulated) == (launch.command, "SwiftShader")
    assert told.plugin is not None
    assert told.plugin.provider == "WebGpuExecutionProvider"
    assert all(BROWSER.with_name(f"{name}.mjs").is_file() for name in ("browser", "page"))


# ---- on a graphics driver


@POSIX
@pytest.mark.parametrize(
    ("system", "machine", "reason"),
    [
        ("darwin", "arm64", "it needs Linux on x86_64, this is darwin on arm64"),
        ("linux", "aarch64", "it needs Linux on x86_64, this is linux on aarch64"),
        ("linux", "x86_64", "it needs Node.js 20 or newer, there is no node on PATH"),
    ],
)
def test_where_webgpu_can_run(
    tools: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, reason: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert runtime("webgpu-node").available() == reason


@POSIX
def test_how_webgpu_is_started(tools: Path, tmp_path: Path) -> None:
    """By the loader of the driver's C library, and with no other driver in sight."""
    stub(tools, "node", "echo v20.0.0")
    place, home = places()["webgpu-node"], tmp_path / "home"
    driver = home / "vulkan-lavapipe"
    driver.mkdir(parents=True)
    item = {"name": "mesa-vulkan-drivers", "version": "25.0.7-2+deb13u1", "file": "", "sha256": ""}
    (driver / "installed.json").write_text(json.dumps({"component": driver.name, "bytes": 1, "items": [item]}))
    launch, libraries = place.launch(), driver / "usr" / "lib" / "x86_64-linux-gnu"
    assert place.providers == ("WebGpuExecutionProvider", "CPUExecutionProvider")
    assert launch.command == (
        str(libraries / "ld-linux-x86-64.so.2"),
        "--library-path",
        str(libraries),
        str(tools / "node"),
    )
    assert launch.environment == {
        "NODE_OPTIONS": "",
        "VK_DRIVER_FILES": str(driver / "usr" / "share" / "vulkan" / "icd.d" / "lvp_icd.json"),
        "VK_LOADER_LAYERS_DISABLE": "~all~",
    }
    assert (launch.runner, launch.shares_files, launch.emulated) == (GPU, False, "Mesa's lavapipe 25.0.7")
    assert launch.plugin is not None
    assert launch.plugin.provider == "WebGpuExecutionProvider"
