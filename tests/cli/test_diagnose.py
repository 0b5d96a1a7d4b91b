"""`edgec diagnose` on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.planted import FAULTS

from edgec.bundle import read_manifest
from edgec.compiler.cli.app import run

Edgec = Callable[..., Any]
DATA = ("--model", "model.onnx", "--calibration", "calib.npz")
WORDS = ("diagnose", "out", *DATA, "--evaluation", "eval.npz")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a saturated gate, its samples, and the bundle made of them."""
    folder = tmp_path_factory.mktemp("case")
    planted = FAULTS["saturating_sigmoid"](0)
    ir.save(planted.model, folder / "model.onnx")
    for name, samples in (("calib", planted.calibration), ("eval", planted.evaluation)):
        np.savez(folder / f"{name}.npz", x=np.concatenate([feeds["x"] for feeds in samples]))
    words = ["compile", f"{folder}/model.onnx", "--calibration", f"{folder}/calib.npz", "-o", f"{folder}/out"]
    assert run([*words, "-t", "x86-64-vnni", "--no-prove", "--no-search", "-q"]) == 0
    return folder


@pytest.fixture
def here(case: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(case)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return case


def test_cause_repair_and_the_line_to_keep(here: Path, edgec: Edgec, tmp_path: Path) -> None:
    answer = edgec(*WORDS, "--plots", str(tmp_path))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("cause       saturated input range: the scale covers a range in which ")
    assert '            ranges = ["gate=-8:8"]\n' in answer.out
    assert "repair      spend all codes where the function changes: " in answer.out
    for part in ("Evidence", "Where error is born", "Repairs, measured"):
        assert f"\n{part}" in answer.out
    assert answer.out.endswith(f"written: {tmp_path}\n")
    assert (tmp_path / "histogram_0.svg").is_file()
    assert not (here / "out" / "proof").exists()


@pytest.mark.usefixtures("here")
def test_json(edgec: Edgec, tmp_path: Path) -> None:
    values = json.loads(edgec(*WORDS, "--plots", str(tmp_path), "--format", "json").out)
    assert values["cause"] == "saturated input range"
    assert values["best"]["lines"] == ['ranges = ["gate=-8:8"]']
    assert values["error_by_depth"][0][1] == "x"
    assert {finding["measured_on"] for finding in values["findings"]} == {"calibration"}


def test_apply_compiles_with_the_repair(here: Path, edgec: Edgec, tmp_path: Path) -> None:
    answer = edgec(*WORDS, "--plots", str(tmp_path / "plots"), "--apply", "-o", str(tmp_path / "repaired"))
    assert answer.code == 0
    assert answer.out.endswith(f"repaired: {tmp_path / 'repaired'}\n")
    manifest = read_manifest(tmp_path / "repaired" / "manifest.json")
    assert manifest["options"]["ranges"] == ["gate=-8:8"]
    compared = json.loads(
        edgec("compare", "model.onnx", str(tmp_path / "repaired"), "--evaluation", "eval.npz", "--format", "json").out
    )
    assert {value["name"]: value["sqnr_db"] for value in compared["values"]}["y"] > 28


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("diagnose", "out", "--calibration", "calib.npz"),
            "edgec: error: --model: is missing. Name the float model it was compiled from.\n",
        ),
        (
            ("diagnose", "out", "--model", "model.onnx"),
            "edgec: error: --calibration: is missing. Name the samples it observed.\n",
        ),
        (
            ("diagnose", "out", *DATA, "--apply"),
            "edgec: error: -o/--output: is missing. Name the folder of the repaired bundle, say -o repaired/.\n",
        ),
        (
            ("diagnose", "out", *DATA, "-o", "repaired"),
            "edgec: error: -o/--output: is given without --apply. Add --apply, or leave it out.\n",
        ),
        (
            ("diagnose", "out", *DATA, "--apply", "-o", "out"),
            "edgec: error: out: exists. Give --overwrite to replace it, or another -o.\n",
        ),
        (
            ("diagnose", "absent", *DATA),
            "edgec: error: absent: is not a bundle: manifest.json is missing. "
            "Give the folder that `edgec compile -o` wrote.\n",
        ),
    ],
)
def test_bad_words_end_in_2(words: tuple[str, ...], message: str, edgec: Edgec) -> None:
    answer = edgec(*words)
    assert (answer.code, answer.out, answer.err) == (2, "", message)


def test_another_model_is_refused(here: Path, edgec: Edgec, tmp_path: Path) -> None:
    ir.save(FAULTS["saturating_sigmoid"](1).model, tmp_path / "other.onnx")
    answer = edgec("diagnose", "out", "--model", str(tmp_path / "other.onnx"), "--calibration", "calib.npz")
    assert answer.code == 2
    assert answer.err == (
        f"edgec: error: {tmp_path / 'other.onnx'}: is not the model this bundle was compiled from: its sha256 is "
        "another. Give the float model that was compiled, or compile this one.\n"
    )


def test_a_scheme_without_ranges_is_refused(here: Path, edgec: Edgec, tmp_path: Path) -> None:
    made = ("compile", "model.onnx", "--scheme", "w8", "-o", str(tmp_path / "w8"), "--no-prove", "--no-search", "-q")
    assert edgec(*made).code == 0
    answer = edgec("diagnose", str(tmp_path / "w8"), *DATA)
    assert answer.code == 2
    assert answer.err == (
        "edgec: error: scheme w8: has no static ranges, whose causes of error are what is examined. "
        "Look at its layers with `edgec compare`, or compile with --scheme a8w8.\n"
    )


@pytest.mark.usefixtures("here")
def test_other_samples_are_told(edgec: Edgec, tmp_path: Path) -> None:
    words = ("diagnose", "out", "--model", "model.onnx", "--calibration", "eval.npz", "--plots", str(tmp_path))
    assert "these are not the samples the bundle was compiled with: ranges are measured anew" in edgec(*words).out
