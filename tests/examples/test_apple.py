"""The SwiftPM sample: its sources by grammar, and built by the real package manager over a stub of ONNX Runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.grammar import broken
from support.swift import STUB

EXAMPLES = Path(__file__).parents[2] / "examples"


SOURCES = [file for file in (EXAMPLES / "apple").rglob("*.swift") if ".build" not in file.parts]


@pytest.mark.parametrize("file", sorted(SOURCES), ids=lambda file: file.name)
def test_sources_parse(file: Path) -> None:
    assert broken(file.read_text(), "swift") == []


def swift(sample: Path, verb: str, *, fails: bool = False) -> str:
    run = subprocess.run(
        ["swift", verb, "--disable-sandbox"],
        cwd=sample,
        env={**os.environ, "ONNXRUNTIME_PACKAGE": str(STUB), "EDGEC": str(Path(sys.executable).parent / "edgec")},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert (run.returncode != 0) is fails, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.slow
def test_touching_the_model_compiles_it_and_nothing_does_nothing(tmp_path: Path) -> None:
    if shutil.which("swift") is None:
        pytest.skip("no swift here")
    for name in ("apple", "digits"):
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns(".build", "out"))
    sample = tmp_path / "apple"
    compiling, writing = "Compiling model digits", "Writing the Swift that opens model digits"
    first = swift(sample, "run")
    assert compiling in first
    assert writing in first
    assert "a 9" in first.splitlines()  # the stub answers with the picture: its first white pixel
    assert sorted(file.name for file in next(sample.glob(".build/*/debug/*.resources")).iterdir()) == [
        "manifest.json",
        "model.onnx",
    ]
    assert compiling not in swift(sample, "build")
    for touched in ("digits/digits.onnx", "digits/calibration.npz"):
        (sample.parent / touched).touch()
        assert compiling in swift(sample, "build")
        assert compiling not in swift(sample, "build")
    project = next(sample.rglob("digits.edgec.toml"))
    good = project.read_text()
    project.write_text(good.replace('size_ratio = "0.6x"', 'size_ratio = "0.01x"'))
    for _ in range(2):  # it stays broken: what was written is no output
        assert "size_ratio" in swift(sample, "build", fails=True)
    project.write_text(good)
    swift(sample, "build")
