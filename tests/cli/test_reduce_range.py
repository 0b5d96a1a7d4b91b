"""Layers that saturate on another processor: found with `--on`, and kept right by a flag or a line of edgec.toml."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from support.planted import saturating

from edgec.bundle import read_manifest

Edgec = Callable[..., Any]
DATA = ("--calibration", "calib.npz")
COMPILE = ("compile", "model.onnx", *DATA, "-t", "x86-64-vnni", "--scheme", "a8w8", "--no-prove", "--no-search")
DIAGNOSE = ("--model", "model.onnx", *DATA, "--on", "x86-64-avx2", "--threads", "1", "--format", "json")


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The planted layers; their model and samples are in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    planted, found = saturating(0)
    ir.save(planted.model, "model.onnx")
    np.savez("calib.npz", x=np.concatenate([feeds["x"] for feeds in planted.calibration]))
    return found


def test_the_line_that_is_printed_mends_it(names: tuple[str, ...], edgec: Edgec) -> None:
    assert edgec(*COMPILE, "-o", "out").code == 0
    found = json.loads(edgec("diagnose", "out", *DIAGNOSE).out)
    assert found["cause"] == "kernel saturation"
    assert {site["name"] for site in found["findings"][0]["sites"]} == set(names)
    (line,) = found["best"]["lines"]
    Path("edgec.toml").write_text(f"[compile]\n{line}\n")
    assert edgec(*COMPILE, "-o", "mended").code == 0
    again = json.loads(edgec("diagnose", "mended", *DIAGNOSE).out)
    assert again["cause"] is None
    assert again["sqnr_db"] > found["sqnr_db"] + 12


def test_flags_and_project_are_joined(names: tuple[str, ...], edgec: Edgec) -> None:
    Path("edgec.toml").write_text(f'[compile]\nreduce_range_nodes = ["^{names[0]}$"]\n')
    assert edgec(*COMPILE, "-o", "out", "--reduce-range-node", f"^{names[1]}$").code == 0
    options = read_manifest(Path("out/manifest.json"))["options"]
    assert options["reduce_range_nodes"] == [f"^{name}$" for name in names]


@pytest.mark.usefixtures("names")
def test_a_name_that_is_not_there(edgec: Edgec) -> None:
    answer = edgec(*COMPILE, "-o", "out", "--reduce-range-node", "convolution")
    assert "edgec: warning: --reduce-range-node convolution: no node's name matches\n" in answer.err


@pytest.mark.usefixtures("names")
def test_a_pattern_that_is_none(edgec: Edgec) -> None:
    answer = edgec(*COMPILE, "-o", "out", "--reduce-range-node", "(")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "edgec: error: --reduce-range-node (: is not a regular expression: missing ), unterminated subpattern at "
        "position 0. Escape special characters with a backslash.\n"
    )
