"""`edgec build`: a project's bundles, one table, one exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.bundle import read_manifest

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


def test_the_one_bundle_goes_where_a_build_tool_wants_it(project: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("build", "--no-cache", "-t", "small", "--bundle", "made/faces")
    assert answer.code == 0, answer.err
    assert (project / "made/faces/manifest.json").is_file()
    assert not (project / "build").exists()
    several = edgec("build", "--bundle", "made/faces")
    assert (several.code, several.err) == (
        2, "edgec: error: --bundle: names one folder, and there are 2 bundles: faces/host, faces/small. "
        "Choose one with --target, or give -o for all of them.\n",
    )  # fmt: skip


def test_compile_knows_the_targets_of_the_project(project: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("compile", "model.onnx", "-t", "small", "-o", "one", "--no-prove", "--format", "json")
    assert answer.code == 0, answer.err
    assert read_manifest(project / "one/manifest.json")["scheme"] == "w8"


def test_without_a_project(folder: Path, edgec: Callable[..., Any]) -> None:
    answer = edgec("build")
    assert (answer.code, answer.err) == (
        2, f"edgec: error: {folder}/edgec.toml: does not exist. Check the path, or begin a "
        "project: edgec init MODEL.\n",
    )  # fmt: skip
