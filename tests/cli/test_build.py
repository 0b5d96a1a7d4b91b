"""`edgec build`: a project's bundles, one table, one exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = """
[model]
path = "model.onnx"
name = "faces"
[calibration]
path = "calib.npz"
[evaluation]
path = "eval.npz"
[targets.host]
[targets.small]
target = "host"
scheme = "w8"
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "edgec.toml").write_text(PROJECT, encoding="utf-8")
    return folder


def test_a_row_a_bundle(project: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("build", "--cache-dir", "cache")
    assert answer.code == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows[0] == ["bundle", "verdict", "seconds", "folder"]
    assert [(row[0], row[1]) for row in rows[1:3]] == [("faces/host", "proved"), ("faces/small", "proved")]
    again = edgec("build", "--cache-dir", "cache", "--format", "json")
    found = json.loads(again.out)
    assert (again.code, found["exit_code"]) == (0, 0)
    assert [(each["name"], each["cached"]) for each in found["bundles"]] == [
        ("faces/host", True), ("faces/small", True),
    ]  # fmt: skip
    assert found["bundles"][0]["bundle"] == str(project / "build/faces/host")
    assert found["bundles"][0]["verdict"]["word"] == "proved"


def test_the_clause_that_is_broken_gives_the_exit_code(project: Path, edgec: Callable[..., Any]) -> None:
    with (project / "edgec.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.small.contract]\nsize_ratio = "0.01x"\n')
    answer = edgec("build", "--no-cache", "-o", "out2")
    assert answer.code == 16, answer.err
    _, _, below = answer.out.partition("\nfaces/small\n")
    assert " ".join(below.split("size_ratio")[1].split()).startswith("broken 0.01x 0.")


def test_one_target_of_a_project(project: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("build", "--no-cache", "-t", "small", "--format", "json")
    assert [each["name"] for each in json.loads(answer.out)["bundles"]] == ["faces/small"]


def test_compile_knows_the_targets_of_the_project(project: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("compile", "model.onnx", "-t", "small", "-o", "one", "--no-prove", "--format", "json")
    assert answer.code == 0, answer.err
    assert json.loads((project / "one/manifest.json").read_text(encoding="utf-8"))["scheme"] == "w8"


def test_without_a_project(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("build")
    assert (answer.code, answer.err) == (
        2, f"edgec: error: {folder}/edgec.toml: cannot be read: No such file or directory. Check the path.\n",
    )  # fmt: skip
