"""`edgec init` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Edgec = Callable[..., Any]


def test_from_a_model_to_a_proved_build(folder: Path, edgec: Edgec) -> None:
    answer = edgec("init", "model.onnx")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        "wrote edgec.toml\n"
        "guess: logits scores 4 classes\n"
        "guess: image: the free first axis is the batch\n"
        "to bring: calibration.npz, evaluation.npz beside it, or other paths in it\n"
        "then: edgec build\n"
    )
    assert edgec("build", "--no-cache").code == 2
    (folder / "calib.npz").rename("calibration.npz")
    (folder / "eval.npz").rename("evaluation.npz")
    # The labels here are of nobody: what is limited by default is loosened to what six of them can show.
    file = folder / "edgec.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"1pt"', '"100pt"').replace('"1.1x"', '"100x"'))
    built = edgec("build", "--no-cache", "--format", "json")
    assert built.code == 0, built.out
    assert json.loads(built.out)["bundles"][0]["verdict"]["word"] == "proved"


def test_as_json(folder: Path, edgec: Edgec) -> None:
    answer = edgec("init", "-m", "model.onnx", "-o", "sub.toml", "--format", "json")
    assert json.loads(answer.out) == {
        "file": str(folder / "sub.toml"),
        "guesses": ["logits scores 4 classes", "image: the free first axis is the batch"],
        "missing": ["calibration.npz", "evaluation.npz"],
    }
    answer = edgec("init", "model.onnx", "-o", "sub.toml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "edgec: error: sub.toml: exists. Give --force to replace it, or another -o.\n"
    assert edgec("init", "model.onnx", "-o", "sub.toml", "--force").out.endswith("then: edgec build sub.toml\n")


def test_without_a_model(edgec: Edgec) -> None:
    answer = edgec("init")
    assert (answer.code, answer.err) == (
        2,
        "edgec: error: MODEL: is missing. Give it as the first word, or with -m/--model.\n",
    )
