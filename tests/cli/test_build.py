"""`edgec build`: a project's bundles, one table, one exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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


def test_a_clause_that_cannot_be_measured_is_shown(project: Path, edgec: Callable[..., Any]) -> None:
    with np.load(project / "eval.npz") as arrays:
        np.savez(project / "eval.npz", **{name: arrays[name] for name in arrays.files if name != "label"})
    with (project / "edgec.toml").open("a", encoding="utf-8") as file:
        file.write('[contract]\naccuracy_drop = "1pt"\n')
    answer = edgec("build", "--no-cache", "-t", "host")
    assert answer.code == 5, answer.err
    _, _, below = answer.out.partition("\nfaces/host\n")
    assert " ".join(below.split("accuracy_drop")[1].split()) == (
        "unknown 1pt the evaluation samples have no labels: add them (npz key `label`, or `labels.csv`)"
    )


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


def test_without_the_gate_only_what_cannot_be_made_decides(project: Path, edgec: Callable[..., Any]) -> None:
    with (project / "edgec.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.small.contract]\nsize_ratio = "0.01x"\n')
    answer = edgec("build", "--no-cache", "--no-gate", "-t", "small")
    assert (answer.code, answer.out.splitlines()[1].split()[:2]) == (0, ["faces/small", "broken"])
    assert edgec("check", "-t", "small").code == 16
    (project / "calib.npz").unlink()
    assert edgec("build", "--no-cache", "--no-gate", "-t", "small").code == 2


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(project: Path, edgec: Callable[..., Any]) -> None:
    words = ("build", "--dry-run", "--cache-dir", "cache")
    before = sorted(project.rglob("*"))
    answer = edgec(*words)
    assert answer.code == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows[0] == ["bundle", "state", "scheme", "file", "at", "the", "peak", "fits"]
    assert [row[:4] for row in rows[1:]] == [
        ["faces/host", "to", "compile", "a8w8"], ["faces/small", "to", "compile", "w8"],
    ]  # fmt: skip
    assert sorted(project.rglob("*")) == before
    assert edgec("build", "--cache-dir", "cache", "-t", "small").code == 0
    answer = edgec(*words, "--format", "json")
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"]) == (0, 0)
    told = [(each["name"], each["cached"], each["scheme"]) for each in found["bundles"]]
    assert told == [("faces/host", False, "a8w8"), ("faces/small", True, None)]
    assert found["bundles"][0]["file_bytes"] > 0
    assert all(
        not each["cached"] for each in json.loads(edgec(*words, "--no-cache", "--format", "json").out)["bundles"]
    )


def test_a_dry_run_names_what_cannot_be_made(project: Path, edgec: Callable[..., Any]) -> None:
    (project / "model.onnx").write_bytes(b"no model")
    with (project / "edgec.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.phone]\ntarget = "pixel-9"\n')
    answer = edgec("build", "--dry-run")
    assert answer.code == 2
    rows, _, errors = answer.out.partition("\nErrors\n")
    assert [line.split()[:2] for line in rows.splitlines()[1:]] == [
        ["faces/host", "failed"], ["faces/small", "failed"], ["faces/phone", "failed"],
    ]  # fmt: skip
    told = " ".join(errors.split())
    assert f"faces/host: {project}/model.onnx: " in told
    assert "faces/phone: target 'pixel-9': " in told
    assert edgec("build", "--dry-run", "-t", "watch").err.startswith("edgec: error: --target watch: is no target")


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
