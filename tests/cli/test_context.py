"""`--context` of `edgec compile` and `edgec run`, `--on` of `edgec run`: what cannot be had is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec import runtimes
from edgec.runtimes import compilers
from edgec.runtimes.fake import FakeRuntime

MISSING = "it is not installed: edgec runtime install qnn-htp"
QNN = "QNNExecutionProvider"


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No simulator here, whatever this machine has."""
    absent = FakeRuntime(answer=dict, inputs=(), outputs=(), name="qnn-htp", reason=MISSING)
    monkeypatch.setitem(compilers.COMPILERS, QNN, lambda options: absent)  # type: ignore[arg-type,return-value]
    monkeypatch.setitem(runtimes.RUNTIMES, "qnn-htp", lambda: absent)


def test_a_target_that_has_none(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("compile", "model.onnx", "--target", "raspberry-pi-4", "--context", "-o", "new")
    assert answer.code == 2
    assert answer.err.startswith(
        "edgec: error: --context: asks for a context binary, and CPUExecutionProvider of target raspberry-pi-4 makes "
        "none. Leave it out, or compile for one of "
    )
    assert not (folder / "new").exists()


@pytest.mark.usefixtures("nothing_installed")
def test_a_backend_that_is_not_installed(folder: Path, edgec: Callable[..., Any]) -> None:
    shape = ("--shape", "image=1,3,8,8")
    answer = edgec("compile", "model.onnx", "--target", "snapdragon-8-gen-3", *shape, "--context", "-o", "new")
    assert (answer.code, answer.err) == (
        3,
        f"edgec: error: --context: needs runtime 'qnn-htp', which is not available here: {MISSING}. Install it, or "
        "leave --context out.\n",
    )
    assert not (folder / "new").exists()


def test_a_bundle_without_one(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("run", "out", "--context")
    assert (answer.code, answer.err) == (
        2,
        f"edgec: error: {folder}/out: has no context binary. Compile it with --context, or run it without.\n",
    )


@pytest.mark.usefixtures("nothing_installed")
def test_a_bundle_is_not_run_here_in_the_stead_of_its_runtime(folder: Path, edgec: Callable[..., Any]) -> None:
    words = ("--target", "snapdragon-8-gen-3", "--shape", "image=1,3,8,8", "--calibration", "calib.npz", "--no-prove")
    assert edgec("compile", "model.onnx", *words, "-o", "phone").code == 0
    answer = edgec("run", "phone")
    assert answer.code == 3
    assert answer.err.startswith(
        f"edgec: error: {folder}/phone: runs where its target's runtime is, which is not here: "
    )
    assert answer.err.endswith(
        " (to execute it here: edgec runtime install qnn-htp). Name another place, say --on onnxruntime-cpu.\n"
    )
    assert edgec("run", "phone", "--on", "onnxruntime-cpu").out == "golden: 1 step, identical\n"


def test_another_place(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("run", "out", "--on", f"python:{sys.executable}", "--format", "json")
    assert (answer.code, json.loads(answer.out)["golden"]["exact"]) == (0, True)
