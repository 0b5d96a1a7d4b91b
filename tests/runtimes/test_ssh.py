"""Another machine, behind an `ssh` that treats its command as the real one does: words joined, read by a shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.hosts import IDENTITY, gone, model, until

from edgec.errors import HostError
from edgec.runtimes import runtime
from edgec.runtimes.ssh import ssh

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the ssh of these tests is a shell script")
X = {"x": np.ones(2, np.float32)}
SSH = """#!/bin/sh
printf '%s\\n' "$@" > "$(dirname "$0")/asked"
while :; do case "$1" in -T) shift;; -o) shift 2;; *) break;; esac; done
test "$1" = pi@far || { echo "ssh: Could not resolve hostname $1" >&2; exit 255; }
shift
cd / && exec env -i HOME=/ PATH=/usr/bin:/bin TMPDIR=REMOTE sh -c "$*"
"""


@pytest.fixture
def far(tmp_path, monkeypatch) -> Path:
    """The temporary folder of the machine pi@far."""
    remote = tmp_path / "remote"
    remote.mkdir()
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH.replace("REMOTE", str(remote)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return remote


@pytest.fixture
def file(tmp_path) -> Path:
    """A model with its weights in another file."""
    proto = onnx.parser.parse_model(IDENTITY.replace("Identity(x)", "Add(x, k)"))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.float32), "k"))
    onnx.external_data_helper.convert_model_to_external_data(proto, location="model.onnx.data", size_threshold=0)
    onnx.save(proto, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_runner_and_model_are_sent_and_nothing_stays(far, file):
    there = runtime(f"ssh:pi@far:{sys.executable}")
    assert there.available() is None
    session = there.open(file)
    asked = (far.parent / "bin" / "asked").read_text().split("\n")
    assert asked[:6] == ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "pi@far"]
    assert asked[6] == sys.executable
    np.testing.assert_array_equal(session.run(X)["y"], 3)
    assert [kernel.op_type for kernel in session.placement(X).kernels] == ["Add"]
    (folder,) = far.iterdir()
    assert sorted(each.name for each in folder.rglob("*.onnx*")) == ["model.onnx", "model.onnx.data"]
    there.close()
    until(lambda: not list(far.iterdir()), "what was written there is deleted")


CLIENT = """
import json, sys, time
from pathlib import Path
import numpy as np
from edgec.runtimes import runtime

there = runtime(sys.argv[1])
session = there.open(Path(sys.argv[2]))
session.run({"x": np.ones(2, np.float32)})
print(there._running().process_id, json.dumps(there._running().hello["process"]), flush=True)
time.sleep(1000)
"""


def test_nothing_stays_when_the_client_is_killed(far, file):
    command = [sys.executable, "-c", CLIENT, f"ssh:pi@far:{sys.executable}", str(file)]
    ours = file.parent / "ours"
    ours.mkdir()
    with subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(ours)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as client:
        assert client.stdout is not None
        processes = [json.loads(each) for each in client.stdout.readline().split()]
        assert len(list(far.iterdir())) == 1
        client.kill()
        for number in processes:
            until(lambda number=number: gone(number), f"process {number} ends")
    assert list(far.iterdir()) == []
    assert list(ours.iterdir()) == []


def test_a_machine_that_does_not_answer(far):
    with pytest.raises(HostError) as caught:
        ssh("pi@nowhere").open(model())
    assert str(caught.value) == (
        "runtime 'ssh:pi@nowhere': died (start): exit code 255. Its last words: ssh: Could not resolve hostname "
        "pi@nowhere. See its last words; `edgec runtime list` says what is installed."
    )


def test_a_machine_without_that_python(far):
    with pytest.raises(HostError) as caught:
        ssh("pi@far:/opt/no/python").open(model())
    message = str(caught.value)
    assert message.startswith("runtime 'ssh:pi@far:/opt/no/python': died (start): exit code 127. Its last words: ")
    assert "/opt/no/python: not found" in message or "No such file" in message


def test_a_machine_without_onnxruntime(far):
    with pytest.raises(HostError) as caught:
        ssh(f"pi@far:{sys.executable} -S").open(model())
    assert str(caught.value) == (
        f"runtime 'ssh:pi@far:{sys.executable} -S': its interpreter starts, but cannot import onnxruntime: "
        "ModuleNotFoundError: No module named 'numpy'. "
        f"Install it there: ssh pi@far {sys.executable} -S -m pip install onnxruntime."
    )


def test_a_greeting_of_the_login_is_no_answer(far, tmp_path):
    """A `.bashrc` that prints; the usual reason why such a pipe does not work."""
    program = tmp_path / "bin" / "ssh"
    program.write_text(program.read_text().replace("cd /", "echo Welcome to the Pi; cd /"))
    with pytest.raises(HostError) as caught:
        ssh(f"pi@far:{sys.executable}").open(model())
    assert str(caught.value) == (
        f"runtime 'ssh:pi@far:{sys.executable}': answered something else than its runner does (start): "
        "b'Welcome to the P'. Check the command that starts it: it must leave its standard output to the runner."
    )


@pytest.mark.parametrize("machine", ["", "-oProxyCommand=true"])
def test_what_is_no_machine(machine):
    assert ssh(machine).available() == f"{machine or 'nothing'} is no machine"


def test_no_ssh_here(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ssh("pi").available() == "there is no ssh on this machine"
    with pytest.raises(HostError) as caught:
        ssh("pi").open(model())
    assert str(caught.value) == (
        "runtime 'ssh:pi': is not available here: there is no ssh on this machine. See `edgec runtime list`."
    )


def test_a_disk_that_is_full_there(far, file):
    there = ssh(f"pi@far:{sys.executable}")
    there.facts()
    (folder,) = far.iterdir()
    (folder / "model-1").write_text("in the way")
    with pytest.raises(HostError) as caught:
        there.open(file)
    assert str(caught.value) == (
        f"runtime 'ssh:pi@far:{sys.executable}': cannot write the model to its disk: [Errno 17] File exists: "
        f"'{folder / 'model-1'}'. Free space in its temporary folder, or set TMPDIR there to another."
    )
    there.close()
