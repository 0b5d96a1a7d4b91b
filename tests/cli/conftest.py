"""The command line in this process, and a folder to use it in."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.classifier import CLASSES, classifier, images, save_npz

from edgec.compiler.cli.app import run


@dataclass(frozen=True)
class Answer:
    """What one command line said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.onnx, calib.npz, eval.npz, and the bundle `out` made of them."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(folder / "calib.npz", image=images())
    save_npz(folder / "eval.npz", image=images(6, seed=1), label=np.arange(6) % CLASSES)
    words = ["compile", f"{folder}/model.onnx", "--calibration", f"{folder}/calib.npz", "-o", f"{folder}/out"]
    assert run([*words, "--no-prove", "-q"]) == 0
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `prepared` of one's own, which is the current folder."""
    place = tmp_path / "work"
    shutil.copytree(prepared, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", list(sys.path))  # `file.py:function` adds its folder
    return place


@pytest.fixture
def edgec(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run `edgec` with these words."""

    def call(*words: str) -> Answer:
        capsys.readouterr()
        code = run(words)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def tree() -> Callable[[Path], dict[str, str]]:
    """Every path below a folder, with the digest of what it holds."""

    def listing(folder: Path) -> dict[str, str]:
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(folder.rglob("*"))
        }

    return listing
