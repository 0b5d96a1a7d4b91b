"""Another machine behind a real OpenSSH server; what a stand-in for `ssh` shows stands in test_ssh.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.hosts import ENDLESS, IDENTITY, model, until
from support.sshd import MACHINE, sshd

from edgec.errors import HostError
from edgec.runtimes import runtime
from edgec.runtimes.ssh import ssh

X = {"x": np.ones(2, np.float32)}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The temporary folder of the machine."""
    with pytest.MonkeyPatch.context() as patch, sshd(tmp_path_factory.mktemp("sshd"), patch) as remote:
        yield remote


def test_runner_and_model_are_sent_and_nothing_stays(far: Path, tmp_path: Path) -> None:
    proto = onnx.parser.parse_model(IDENTITY.replace("Identity(x)", "Add(x, k)"))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2], np.float32), "k"))
    onnx.external_data_helper.convert_model_to_external_data(proto, location="model.onnx.data", size_threshold=0)
    onnx.save(proto, tmp_path / "model.onnx")
    there = runtime(f"ssh:{MACHINE}:{sys.executable}")
    assert there.available() is None
    session = there.open(tmp_path / "model.onnx")
    np.testing.assert_array_equal(session.run(X)["y"], 3)
    assert [kernel.op_type for kernel in session.placement(X).kernels] == ["Add"]
    assert len(list(far.iterdir())) == 1
    there.close()
    until(lambda: not list(far.iterdir()), "what was written there is deleted")


def test_large_arrays_pass_whole(far: Path) -> None:
    """More than any buffer on the way holds, in both directions."""
    there = ssh(f"{MACHINE}:{sys.executable}")
    x = np.random.default_rng(0).standard_normal(3_000_000).astype(np.float32)
    np.testing.assert_array_equal(there.open(model()).run({"x": x})["y"], x)
    there.close()


def test_a_run_that_takes_too_long_is_ended_there_too(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ssh(f"{MACHINE}:{sys.executable}")
    session = there.open(model(ENDLESS))
    monkeypatch.setenv("EDGEC_HOST_SECONDS", "1")
    with pytest.raises(HostError) as caught:
        session.run({"x": np.ones(1, np.float32)})
    assert str(caught.value) == (
        f"runtime 'ssh:{MACHINE}:{sys.executable}': did not answer within 1 s (run). "
        "Give it longer with EDGEC_HOST_SECONDS, or less to do."
    )
    until(lambda: not list(far.iterdir()), "the runner there leaves, and takes its files with it")


def test_a_key_that_the_machine_does_not_know(far: Path) -> None:
    key = far.parent / "key.pub"
    known = key.read_text()
    key.write_text("")
    try:
        with pytest.raises(HostError) as caught:
            ssh(f"{MACHINE}:{sys.executable}").open(model())
    finally:
        key.write_text(known)
    assert "died (start): exit code 255. Its last words: " in str(caught.value)
    assert "Permission denied (publickey)." in str(caught.value)


def test_a_machine_that_is_another_than_it_was(far: Path) -> None:
    hosts = far.parent / "known"
    known = hosts.read_text()
    hosts.write_text(known.replace((far.parent / "host.pub").read_text(), (far.parent / "key.pub").read_text()))
    try:
        with pytest.raises(HostError, match="Host key verification failed"):
            ssh(f"{MACHINE}:{sys.executable}").open(model())
    finally:
        hosts.write_text(known)


def test_a_python_that_is_not_there(far: Path) -> None:
    with pytest.raises(HostError, match=r"died \(start\): exit code 127"):
        ssh(f"{MACHINE}:/no/python").open(model())
