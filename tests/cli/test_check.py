"""`edgec check`: the gate of CI, its reports and its baseline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

PROJECT = """
[model]
path = "model.onnx"
name = "faces"
[evaluation]
path = "eval.npz"
[contract]
size_ratio = "0.9x"
[targets.host]
scheme = "w8"
"""


@pytest.fixture
def built(folder: Path, edgec: Callable[..., Any]) -> Path:
    (folder / "edgec.toml").write_text(PROJECT, encoding="utf-8")
    assert edgec("build", "--no-cache", "-q").code == 0
    return folder


def test_reports_of_a_bundle_that_passes(built: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("check", "--junit", "j.xml", "--sarif", "s.json", "--markdown", "m.md")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[1].split()[:2] == ["faces/host", "proved"]
    assert ElementTree.parse(built / "j.xml").getroot()[0].get("failures") == "0"
    assert json.loads((built / "s.json").read_text(encoding="utf-8"))["runs"][0]["results"] == []
    assert edgec("check", "--markdown", "m.md").code == 0
    assert (built / "m.md").read_text(encoding="utf-8").count("### edgec") == 2  # a summary is appended


def test_a_baseline_is_written_on_purpose_only(built: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("check", "--baseline", "verdicts.lock")
    assert (answer.code, answer.err) == (
        2,
        "edgec: error: verdicts.lock: cannot be read: No such file or directory. Write it with --update-baseline.\n",
    )
    assert edgec("check", "--baseline", "verdicts.lock", "--update-baseline").code == 0
    assert edgec("check", "--baseline", "verdicts.lock").code == 0
    values = json.loads((built / "verdicts.lock").read_text(encoding="utf-8"))
    values["verdicts"]["faces/host"]["size_ratio"]["measured"] /= 2
    (built / "verdicts.lock").write_text(json.dumps(values), encoding="utf-8")
    answer = edgec("check", "--baseline", "verdicts.lock")
    assert answer.code == 16
    assert "worse than the baseline's" in " ".join(answer.out.split())


def test_a_baseline_of_a_broken_contract_is_not_written(built: Path, edgec: Callable[..., Any]) -> None:
    text = (built / "edgec.toml").read_text(encoding="utf-8").replace("0.9x", "0.01x")
    (built / "edgec.toml").write_text(text, encoding="utf-8")
    answer = edgec("check", "--baseline", "verdicts.lock", "--update-baseline")
    assert answer.code == 16
    assert not (built / "verdicts.lock").exists()
    assert "verdicts.lock stays as it was: not every contract is met" in answer.err


def test_a_report_that_cannot_be_written(built: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("check", "--junit", "nowhere/j.xml")
    assert (answer.code, answer.err) == (
        2, "edgec: error: nowhere/j.xml: cannot be written: No such file or directory. Name another file.\n",
    )  # fmt: skip


def test_update_needs_a_file(built: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("check", "--update-baseline")
    assert (answer.code, answer.err) == (
        2, "edgec: error: --update-baseline: is given without a file. Name it with --baseline.\n",
    )  # fmt: skip
