"""`--ort` of `edgec compile` and `edgec run`: made, proved, run; what cannot be had is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_made_proved_and_run(folder: Path, edgec: Callable[..., Any]) -> None:
    words = ("model.onnx", "--calibration", "calib.npz", "--ort", "-o", "new")
    answer = edgec("compile", *words, "--format", "json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert said["ort"]["model"] == "model.ort"
    assert said["ort"]["style"] == "fixed"
    assert {each["id"]: each["status"] for each in said["verdict"]["results"]}["ort"] == "met"
    assert (folder / "new" / "model.ort").is_file()
    replayed = edgec("run", "new", "--ort")
    assert replayed.code == 0
    assert replayed.out.startswith("golden: 1 step, ")
    told = " ".join(edgec("inspect", "new").out.split())
    assert "ORT format model.ort" in told
    assert "its kernels required_operators_and_types.config: give it to ONNX Runtime's build.py" in told
    assert (folder / "new" / "required_operators_and_types.config").is_file()


def test_a_bundle_without_one(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("run", "out", "--ort")
    assert (answer.code, answer.err) == (
        2,
        f"edgec: error: {folder}/out: has no model in ORT format. Compile it with --ort, or run it without.\n",
    )


def test_two_files_in_the_models_stead(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("run", "out", "--ort", "--context")
    assert (answer.code, answer.err) == (
        2,
        "edgec: error: --ort: and --context load two files in the model's stead. Give one of them.\n",
    )


def test_a_target_that_has_none(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("compile", "model.onnx", "--target", "snapdragon-8-gen-3", "--ort", "-o", "new")
    assert (answer.code, answer.err) == (
        2,
        "edgec: error: --ort: has no form that is known to run on QNNExecutionProvider of target snapdragon-8-gen-3. "
        "Leave it out: full packages of ONNX Runtime read model.onnx. It is made for CPUExecutionProvider, "
        "NnapiExecutionProvider, CoreMLExecutionProvider.\n",
    )
    assert not (folder / "new").exists()
