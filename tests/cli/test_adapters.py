"""Adapters on the command line: compiled in, switched on, replayed, refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from support.lowrank import WIDTH, factors, model, weights, write_peft

from edgec.bundle import Bundle

Edgec = Callable[..., Any]
FEEDS = {"x": np.random.default_rng(3).standard_normal((4, WIDTH)).astype(np.float32)}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, two adapters, and feeds."""
    monkeypatch.chdir(tmp_path)
    onnx.save(model(weights()), tmp_path / "model.onnx")
    write_peft(tmp_path / "law", factors({"q_proj": 4}, 0, 0.1))
    write_peft(tmp_path / "tone", factors({"down_proj": 2}, 1, 0.1))
    np.savez(tmp_path / "feeds.npz", **FEEDS)  # type: ignore[arg-type]
    return tmp_path


def test_compiled_and_switched(edgec: Edgec, here: Path) -> None:
    made = edgec(
        "compile", "model.onnx", "--scheme", "w4", "--adapter", "law=law", "--adapter", "tone=tone", "-o", "out",
        "--evaluation", "feeds.npz", "--no-report", "--no-probe",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert re.search(r"law +1 step, identical +\d+\.\d dB\n.*tone +1 step, identical +\d+\.\d dB", made.out)
    bundle = Bundle.open(here / "out")
    assert bundle.adapters == ("law", "tone")
    for name in bundle.adapters:
        again = edgec("run", "out", "--adapter", name)
        assert (again.code, again.out) == (0, "golden: 1 step, identical\n")
    ran = edgec("run", "out", "--adapter", "law", "--input", "feeds.npz", "-o", "answers.npz", "--format", "json")
    assert ran.code == 0, ran.err
    with np.load(here / "answers.npz") as answers:
        np.testing.assert_array_equal(answers["y"], bundle.run(FEEDS, "law")["y"])
        assert not np.allclose(answers["y"], bundle.run(FEEDS)["y"])
    assert json.loads(ran.out)["steps"]


def test_merged(edgec: Edgec, here: Path) -> None:
    made = edgec("compile", "model.onnx", "--scheme", "w8", "--merge-adapter", "law", "-o", "out", "--no-prove")
    assert made.code == 0, made.err
    assert Bundle.open(here / "out").manifest["source"]["merged"] == "law"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--adapter", "law"), "--adapter law: has nothing on a side of `=`. Write --adapter LEFT=RIGHT."),
        (("--adapter", "a=law", "--adapter", "a=tone"), "--adapter a=tone: gives 'a' a second time. Give each once."),
        (
            ("--adapter", "a=nowhere"),
            "nowhere: has no adapter_config.json that can be read. Give the folder that peft's save_pretrained wrote.",
        ),
    ],
)
def test_refused(edgec: Edgec, here: Path, words: tuple[str, ...], message: str) -> None:
    answer = edgec("compile", "model.onnx", "--no-prove", "-o", "out", *words)
    assert answer.code == 2
    assert message in " ".join(answer.err.split())
    assert not (here / "out").exists()


def test_no_such_adapter(edgec: Edgec, here: Path) -> None:
    assert edgec("compile", "model.onnx", "--scheme", "float", "-o", "out", "--no-prove").code == 0
    answer = edgec("run", "out", "--adapter", "law")
    assert answer.code == 2
    assert "has no adapter 'law'. Compile it with --adapter NAME=FOLDER." in " ".join(answer.err.split())
    assert (here / "out").exists()
