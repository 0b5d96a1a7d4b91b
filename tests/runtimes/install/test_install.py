"""Installing, with a fetcher and a check of our own: whole or not at all, once, and what is shared only once."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgec.errors import HostError, InstallError, OutputError, TargetError
from edgec.runtimes.install.component import Component, onnxruntime_version
from edgec.runtimes.install.install import install, remove
from edgec.runtimes.install.place import Place
from edgec.runtimes.install.plan import plan_install
from edgec.runtimes.install.probe import Probe
from edgec.runtimes.install.record import Item, read_record
from edgec.runtimes.places import places

WHEELS = f"arm64-onnxruntime-{onnxruntime_version()}"
A72 = ("emulators", "arm64-python", WHEELS)


@pytest.fixture(autouse=True)
def _an_intel_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


class Fetcher:
    """Brings a file of the component's name; fails, before its end, at the component named."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None) -> None:
        self.brought: list[str] = []
        self.fails_at, self.error = fails_at, error

    def __call__(self, component: Component, into: Path, say: Callable[[str], None]) -> list[Item]:
        (into / "file").write_text(component.name)
        if component.name == self.fails_at and self.error is not None:
            raise self.error
        self.brought.append(component.name)
        say("fetching")
        return [Item(name=component.name, version="1", file="f", sha256="0")]


class Checker:
    """Starts nothing; writes down what a runtime would say."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    def __call__(self, place: Place, home: Path) -> Probe:
        self.checked.append(place.name)
        probe = Probe(
            onnxruntime="1", python="3", machine="m", emulated="",
            of=(*place.needs, f"onnxruntime {onnxruntime_version()}"),
        )  # fmt: skip
        (home / "places").mkdir(exist_ok=True)
        values = {**{name: getattr(probe, name) for name in Probe.__slots__}}
        (home / "places" / f"{place.name}.json").write_text(json.dumps(values))
        return probe


def names(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def test_components_go_to_the_home_and_runtimes_are_started(home: Path) -> None:
    fetch, check, said = Fetcher(), Checker(), list[str]()
    found = install(plan_install(["arm64-cortex-a72"]), fetch=fetch, check=check, say=said.append)
    assert names(home) == sorted([*A72, "places"])
    assert found["arm64-cortex-a72"].onnxruntime == "1"
    record = read_record(home / "emulators")
    assert record is not None
    assert (record.bytes, record.items) == (9, (Item(name="emulators", version="1", file="f", sha256="0"),))
    assert json.loads((home / "emulators" / "installed.json").read_text())["licence"] == "GPL-2.0-or-later"
    assert said == [*(f"{name}: fetching" for name in A72), "arm64-cortex-a72: starting it"]
    assert places()["arm64-cortex-a72"].missing() is None


def test_a_second_time_nothing_is_fetched_nor_started(home: Path) -> None:
    install(plan_install(["arm64-cortex-a72"]), fetch=Fetcher(), check=Checker())
    fetch, check = Fetcher(), Checker()
    plan = plan_install(["arm64-cortex-a72"])
    assert (plan.fetch, plan.fetched_bytes, plan.kept_bytes) == ((), 0, 0)
    assert list(install(plan, fetch=fetch, check=check)) == ["arm64-cortex-a72"]
    assert (fetch.brought, check.checked) == ([], [])


def test_what_is_shared_is_fetched_once(home: Path) -> None:
    plan = plan_install(["arm64-cortex-a72", "arm64-cortex-a53", "arm64-cortex-a72", "xnnpack-arm64"])
    assert [each.name for each in plan.fetch] == [*A72, "arm64-debian"]
    install(plan, fetch=Fetcher(), check=Checker())
    fetch, check = Fetcher(), Checker()
    install(plan_install(["arm64-cortex-a76", "x86-64-haswell", "armv7-cortex-a7"]), fetch=fetch, check=check)
    assert fetch.brought == ["armv7-debian"]
    assert check.checked == ["arm64-cortex-a76", "x86-64-haswell", "armv7-cortex-a7"]


def test_force_fetches_anew(home: Path) -> None:
    install(plan_install(["x86-64-haswell"]), fetch=Fetcher(), check=Checker())
    (home / "emulators" / "stale").touch()
    fetch, check = Fetcher(), Checker()
    install(plan_install(["x86-64-haswell"], force=True), fetch=fetch, check=check)
    assert (fetch.brought, check.checked) == (["emulators"], ["x86-64-haswell"])
    assert names(home / "emulators") == ["file", "installed.json"]


def test_one_that_did_not_start_is_started_again(home: Path) -> None:
    def fail(place: Place, home: Path) -> Probe:
        raise HostError(place.name, "died", remedy="")

    install(plan_install(["x86-64-haswell"]), fetch=Fetcher(), check=Checker())
    with pytest.raises(HostError):
        install(plan_install(["x86-64-haswell"], force=True), fetch=Fetcher(), check=fail)
    fetch, check = Fetcher(), Checker()
    install(plan_install(["x86-64-haswell"]), fetch=fetch, check=check)
    assert (fetch.brought, check.checked) == ([], ["x86-64-haswell"])


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InstallError("x", "offline", remedy="r"), ValueError("bug")])
def test_a_failure_leaves_what_was_whole_and_nothing_half(home: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        install(plan_install(["arm64-cortex-a72"]), fetch=Fetcher("arm64-python", error), check=Checker())
    assert names(home) == ["emulators"]
    assert places()["arm64-cortex-a72"].missing() == "it is not installed: edgec runtime install arm64-cortex-a72"
    fetch = Fetcher()
    install(plan_install(["arm64-cortex-a72"]), fetch=fetch, check=Checker())
    assert fetch.brought == ["arm64-python", WHEELS]


def test_what_a_killed_install_left_goes_with_the_next(home: Path) -> None:
    (home / ".emulators.abcdef.part" / "made").mkdir(parents=True)
    (home / ".emulators.abcdef.part" / "made" / "half").touch()
    install(plan_install(["x86-64-haswell"]), fetch=Fetcher(), check=Checker())
    assert names(home) == ["emulators", "places"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"component": "emulators"}', '{"bytes": 1, "items": [{"a": 1}]}'])
def test_a_folder_without_a_whole_record_is_not_installed(home: Path, content: str) -> None:
    (home / "emulators").mkdir(parents=True)
    (home / "emulators" / "installed.json").write_text(content)
    plan = plan_install(["x86-64-haswell"])
    assert [each.name for each in plan.fetch] == ["emulators"]
    install(plan, fetch=Fetcher(), check=Checker())
    assert names(home / "emulators") == ["file", "installed.json"]


def test_a_full_disk_is_said_before_and_while(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError) as raised:
        install(plan_install(["x86-64-haswell"]), fetch=Fetcher("emulators", full), check=Checker())
    assert str(raised.value) == (
        f"{home}: the disk is full. Nothing half-written is left. "
        "Free some space, or name another folder with EDGEC_RUNTIMES."
    )
    assert names(home) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=12_300_000))
    plan = plan_install(["x86-64-haswell"])
    plan = replace(
        plan, fetch=tuple(replace(each, fetched_bytes=80_000_000, kept_bytes=40_000_000) for each in plan.fetch)
    )
    fetch = Fetcher()
    with pytest.raises(OutputError) as raised:
        install(plan, fetch=fetch, check=Checker())
    assert str(raised.value) == (
        f"{home}: has 12 MB of free disk, installing needs 220 MB. "
        "Free some space, or name another folder with EDGEC_RUNTIMES."
    )
    assert fetch.brought == []


def test_a_home_that_is_no_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "file"))
    with pytest.raises(OutputError) as raised:
        install(plan_install(["x86-64-haswell"]), fetch=Fetcher(), check=Checker())
    assert str(raised.value) == (
        f"{tmp_path / 'file'}: cannot be written: File exists. Mend it, or name another folder with EDGEC_RUNTIMES."
    )


def test_removing_spares_what_others_need(home: Path) -> None:
    install(plan_install(["arm64-cortex-a72", "x86-64-haswell"]), fetch=Fetcher(), check=Checker())
    assert remove(["arm64-cortex-a72", "armv7-cortex-a7"]) == ("arm64-python", WHEELS)
    assert names(home) == ["emulators", "places"]
    assert places()["x86-64-haswell"].missing() is None
    assert remove(["x86-64-haswell"]) == ("emulators",)
    assert remove(["x86-64-haswell"]) == ()
    assert names(home) == ["places"]


def test_a_name_that_is_none_is_said(home: Path) -> None:
    with pytest.raises(TargetError) as raised:
        plan_install(["arm64-cortex-a75"])
    assert str(raised.value) == (
        "runtime 'arm64-cortex-a75': is not known, did you mean 'arm64-cortex-a76'? Known are arm64-cortex-a53, "
        "arm64-cortex-a72, arm64-cortex-a76, armv7-cortex-a7, x86-64-haswell, xnnpack-x86-64, xnnpack-arm64, "
        "qnn-htp, qnn-htp-v73, qnn-htp-v79, web-wasm, web-wasm-chromium, webgpu-chromium, webgpu-node, "
        "openvino-cpu, coreml, cuda, tensorrt, onnxruntime-1.16 to onnxruntime-1.30."
    )
    with pytest.raises(TargetError, match=r"^runtime 'zzz': is not known\. Known are "):
        remove(["zzz"])


def test_what_comes_with_edgec_needs_nothing(home: Path) -> None:
    plan = plan_install(["onnxruntime-cpu"])
    assert (plan.places, plan.fetch) == ((), ())


def test_what_cannot_run_on_this_machine_is_not_fetched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(InstallError) as raised:
        plan_install(["arm64-cortex-a72", "x86-64-haswell"])
    assert str(raised.value) == (
        "runtime 'x86-64-haswell': cannot be installed: it needs a machine of x86_64, this is aarch64. "
        "See `edgec runtime list`."
    )
    monkeypatch.setattr("sys.platform", "darwin")
    assert places()["arm64-cortex-a72"].missing() == "it needs Linux, this system is darwin"
