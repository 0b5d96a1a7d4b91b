"""A project of the shipped kind: a small classifier, its samples, two targets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.classifier import CLASSES, classifier, images, save_npz

PROJECT = """
[model]
path = "model.onnx"
name = "faces"
[calibration]
path = "calib.npz"
[evaluation]
path = "eval.npz"
[contract]
sqnr = "5dB"
[targets.host]
[targets.small]
target = "host"
scheme = "w8"
"""


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the project as it was written; nobody changes it."""
    folder = tmp_path_factory.mktemp("written")
    (folder / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(folder / "calib.npz", image=images())
    save_npz(folder / "eval.npz", image=images(6, seed=1), label=np.arange(6) % CLASSES)
    (folder / "edgec.toml").write_text(PROJECT, encoding="utf-8")
    return folder


@pytest.fixture
def project(written: Path, tmp_path: Path) -> Path:
    """The project file, in a folder of its own."""
    shutil.copytree(written, tmp_path / "project")
    return tmp_path / "project" / "edgec.toml"
