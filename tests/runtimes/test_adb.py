"""An Android device behind a stand-in for adb, which really executes what it is told."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.adb import Phone, plug_in
from support.hosts import IDENTITY, model, until

from edgec.errors import HostError
from edgec.runtimes import runtime
from edgec.runtimes.adb import adb

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the adb of these tests is a program with a shebang")
X = {"x": np.ones(2, np.float32)}


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phone:
    return plug_in(tmp_path, monkeypatch)


def broken(name: str) -> str:
    with pytest.raises(HostError) as caught:
        runtime(name).open(model())
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize("serial", ["", "R58M"])
def test_runner_and_model_are_sent_and_nothing_stays(phone: Phone, tmp_path: Path, serial: str) -> None:
    proto = onnx.parser.parse_model(IDENTITY.replace("Identity(x)", "Add(x, k)"))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.float32), "k"))
    onnx.external_data_helper.convert_model_to_external_data(proto, location="model.onnx.data", size_threshold=0)
    onnx.save(proto, tmp_path / "model.onnx")
    there = runtime(f"adb:{serial}:{sys.executable}")
    assert there.available() is None
    session = there.open(tmp_path / "model.onnx")
    np.testing.assert_array_equal(session.run(X)["y"], 3)
    assert [kernel.op_type for kernel in session.placement(X).kernels] == ["Add"]
    chosen = f"'-s', '{serial}', " if serial else ""
    assert phone.asked[-1].startswith(f"[{chosen}'shell', '-T', '{sys.executable}', '-c', ")
    (folder,) = phone.disk().iterdir()
    assert sorted(each.name for each in folder.rglob("*.onnx*")) == ["model.onnx", "model.onnx.data"]
    there.close()
    until(lambda: not list(phone.disk().iterdir()), "what was written there is deleted")


def test_a_port_belongs_to_the_serial_number(phone: Phone) -> None:
    phone.sees_all({"192.168.1.5:5555": "device", "R58M": "device"})
    there = adb(f"192.168.1.5:5555:{sys.executable}")
    np.testing.assert_array_equal(there.open(model()).run(X)["y"], 1)
    assert "'-s', '192.168.1.5:5555', 'shell'" in phone.asked[-1]
    there.close()
    assert adb("emulator-5554").available() == "adb sees no device emulator-5554, but 192.168.1.5:5555, R58M"


def test_python_may_be_a_command(phone: Phone) -> None:
    """As `run-as com.termux files/usr/bin/python3` is."""
    there = adb(f":env A=b {sys.executable}")
    np.testing.assert_array_equal(there.open(model()).run(X)["y"], 1)
    there.close()


STATES = {
    "none": ({}, "", "adb sees no device: switch on USB debugging there and plug it in, or adb connect it"),
    "two": ({"A": "device", "B": "device"}, "", "adb sees 2 devices, name one: adb:A, adb:B"),
    "another": ({"A": "device"}, "C", "adb sees no device C, but A"),
    "unauthorized": (
        {"A": "unauthorized"}, "", "it has not authorized this machine: unlock its screen and allow USB debugging",
    ),
    "offline": ({"A": "offline", "B": "device"}, "A", "it is offline: plug it in again, or adb reconnect"),
    "recovery": ({"A": "recovery"}, "A", "its state is 'recovery', where 'device' is needed"),
    "no permissions": (
        {"A": "no permissions (user in plugdev group; are your udev rules wrong?)"},
        "",
        "its state is 'no permissions (user in plugdev group; are your udev rules wrong?)', where 'device' is needed",
    ),
    "option": ({"A": "device"}, "-x", "-x is no serial number"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_a_device_that_cannot_be_used(phone: Phone, name: str) -> None:
    states, serial, reason = STATES[name]
    phone.sees_all(states)
    assert adb(serial).available() == reason
    assert broken(f"adb:{serial}") == (
        f"runtime 'adb:{serial}': is not available here: {reason}. See `edgec runtime list`."
    )


def test_the_environment_chooses_among_several(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.sees(A="device", B="offline")
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    assert adb("").available() is None
    monkeypatch.setenv("ANDROID_SERIAL", "B")
    assert adb("").available() == "it is offline: plug it in again, or adb reconnect"


def test_no_adb_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert adb("").available() == "there is no adb on this machine"


def test_an_adb_that_fails(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "bin" / "adb").write_text("#!/bin/sh\necho 'cannot connect to daemon' >&2\nexit 1\n")
    assert adb("").available() == "adb devices fails: cannot connect to daemon"


def test_an_adb_that_hangs(phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgec.runtimes.adb._SECONDS", 0.2)
    (tmp_path / "bin" / "adb").write_text("#!/bin/sh\nexec sleep 60\n")
    assert adb("").available() == "adb devices does not answer within 0.2 s"


def test_a_device_that_is_unplugged_meanwhile(phone: Phone) -> None:
    """It was there when it was looked for."""
    there = adb(f":{sys.executable}")
    launch = there._launch()
    phone.sees()
    host = pytest.importorskip("edgec.runtimes.host.process").Host
    with pytest.raises(HostError) as caught:
        host(there.name, launch)
    assert str(caught.value) == (
        f"runtime 'adb::{sys.executable}': died (start): exit code 1. Its last words: error: no devices/emulators "
        "found. See its last words; `edgec runtime list` says what is installed."
    )


def test_a_device_without_python(phone: Phone) -> None:
    message = broken("adb::/no/python")
    assert message.startswith("runtime 'adb::/no/python': died (start): exit code 127. Its last words: ")


def test_a_device_without_onnxruntime(phone: Phone) -> None:
    assert broken(f"adb::{sys.executable} -S") == (
        f"runtime 'adb::{sys.executable} -S': its interpreter starts, but cannot import onnxruntime: "
        "ModuleNotFoundError: No module named 'numpy'. "
        "Install it there: in Termux, pkg install python-onnxruntime."
    )


def test_a_device_that_hangs(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "0.5")
    assert broken("adb::sleep 60 #") == (
        "runtime 'adb::sleep 60 #': did not answer within 0.5 s (start). "
        "Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )


def test_a_shell_that_greets(phone: Phone) -> None:
    assert broken(f"adb::echo Welcome to Termux; {sys.executable}") == (
        f"runtime 'adb::echo Welcome to Termux; {sys.executable}': answered something else than its runner does "
        "(start): b'Welcome to Termu'. Check the command that starts it: it must leave its standard output to the "
        "runner."
    )
