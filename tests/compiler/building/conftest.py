"""A project of the shipped kind: a small classifier, its samples, two targets."""

from __future__ import annotations

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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project file, in a folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(folder / "calib.npz", image=images())
    save_npz(folder / "eval.npz", image=images(6, seed=1), label=np.arange(6) % CLASSES)
    (folder / "edgec.toml").write_text(PROJECT, encoding="utf-8")
    return folder / "edgec.toml"
