"""How emulated places are started; that they run is tested where they are installed (test_installed.py)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgec.runtimes import RUNTIMES, runtime
from edgec.runtimes.install.component import components, onnxruntime_version
from edgec.runtimes.install.home import home
from edgec.runtimes.places import places


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose emulators say they are version 10.0.13."""
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path))
    for name in components():
        (tmp_path / name).mkdir()
        item = {"name": "qemu-user", "version": "1:10.0.13+ds-0+deb13u1", "file": "f", "sha256": "0"}
        record = {"component": name, "bytes": 1, "items": [item] if name == "emulators" else []}
        (tmp_path / name / "installed.json").write_text(json.dumps(record))
    return tmp_path


def test_every_place_is_a_runtime() -> None:
    assert [*RUNTIMES][1:] == [*places()]
    for name, place in places().items():
        found = runtime(name)
        assert (found.name, found.providers) == (name, place.providers)
        assert set(place.needs) <= set(components())


def test_every_component_is_needed() -> None:
    assert {name for place in places().values() for name in place.needs} == set(components())


def test_arm64_runs_this_versions_wheels_over_a_tree_of_its_own(installed: Path) -> None:
    launch = places()["arm64-cortex-a72"].launch()
    root = installed / "arm64-python"
    assert launch.command == (
        str(installed / "emulators/usr/bin/qemu-aarch64"), "-cpu", "cortex-a72", "-L", str(root),
        str(root / "usr/bin/python3.13"),
    )  # fmt: skip
    assert launch.site == (installed / f"arm64-onnxruntime-{onnxruntime_version()}",)
    assert launch.emulated == "qemu-aarch64 10.0.13, cortex-a72"


def test_the_haswell_runs_this_very_interpreter(installed: Path) -> None:
    import numpy
    import onnxruntime

    launch = places()["x86-64-haswell"].launch()
    emulator = str(installed / "emulators/usr/bin/qemu-x86_64")
    assert launch.command == (emulator, "-cpu", "Haswell-noTSX", sys.executable)
    assert {Path(onnxruntime.__file__).parents[1], Path(numpy.__file__).parents[1]} == set(launch.site)


def test_xnnpack_on_this_processor_is_not_emulated(installed: Path) -> None:
    place = places()["xnnpack-x86-64"]
    launch = place.launch()
    assert Path(launch.command[0]) == installed / "x86-64-debian/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert launch.environment["PYTHONHOME"] == str(installed / "x86-64-debian/usr")
    assert launch.emulated == ""
    assert place.providers == ("XnnpackExecutionProvider", "CPUExecutionProvider")


def test_what_is_not_installed_says_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "none"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert runtime("armv7-cortex-a7").available() == "it is not installed: edgec runtime install armv7-cortex-a7"


def test_the_home_is_what_the_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_RUNTIMES", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.setenv("EDGEC_RUNTIMES", "")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home() == tmp_path / "edgec" / "runtimes"
