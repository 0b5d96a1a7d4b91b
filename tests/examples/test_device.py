"""The commands of docs/device.md, typed: a real OpenSSH server is the board, a stand-in for adb the phone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.adb import Phone, plug_in
from support.node import NEEDS_NODE
from support.sshd import sshd
from support.typed import blocks, typed

pytest.importorskip("cryptography")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")]
ONCE, EVERY, ALONE, PIPE, ANDROID, NODE, CI, READ = range(8)
PROJECT = """
[model]
path = "digits.onnx"
[calibration]
path = "calibration.npz"
[evaluation]
path = "evaluation.npz"
samples = 50
[contract]
sqnr = "20dB"
p95 = "500ms"
[targets.raspberry-pi-5]
scheme = "a8w8"
"""


@pytest.fixture(scope="module")
def page(repository: Path) -> list[list[str]]:
    found = blocks(repository / "docs" / "device.md")
    assert len(found) == READ + 1
    return found


@pytest.fixture(scope="module")
def desk(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a project and its bundle, from which `ssh edge` and one phone are reached."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("digits.onnx", "calibration.npz", "evaluation.npz"):
        shutil.copy(digits / name, folder)
    (folder / "edgec.toml").write_text(PROJECT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEC_RUNTIMES", str(folder / "none"))
        patch.delenv("EDGEC_SIGNING_KEY", raising=False)
        _edgec_on_path(tmp_path_factory.mktemp("edgec"), patch)
        typed(["edgec build --no-gate --no-cache -q"], folder, os.environ)
        phone = plug_in(tmp_path_factory.mktemp("adb"), patch)
        _python_on(phone)
        with sshd(tmp_path_factory.mktemp("sshd"), patch):
            yield folder


def _edgec_on_path(folder: Path, patch: pytest.MonkeyPatch) -> None:
    program = folder / "edgec"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgec "$@"\n')
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def _python_on(phone: Phone) -> None:
    program = phone.disk().parents[2] / "bin" / "python3"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)


def said(file: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(base64.b64decode(json.loads(file.read_text())["payload"]))
    return found


def test_a_board_answers(desk: Path, page: list[list[str]]) -> None:
    for number in (ONCE, EVERY, ALONE, PIPE, CI, READ):
        typed(page[number], desk, os.environ)
    nonce = (desk / "nonce").read_text().strip()
    assert len(nonce) == 32
    assert said(desk / "edge.json")["predicate"]["nonce"] == nonce  # type: ignore[index]
    assert not list(desk.glob("*.pem"))  # no private key came along
    assert 'name="p95"' in (desk / "edgec.xml").read_text()


def test_a_phone_answers(desk: Path, page: list[list[str]]) -> None:
    typed([page[ONCE][0], *page[ANDROID]], desk, os.environ)
    assert said(desk / "phone.json")["subject"][0]["name"] == "raspberry-pi-5"  # type: ignore[index]
    assert not list(desk.glob("*.pem"))


@NEEDS_NODE
def test_node_answers(desk: Path, page: list[list[str]]) -> None:
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    typed(page[NODE], desk, os.environ)
    assert said(desk / "receipt.json")["predicate"]["runtime"]["library"] == "onnxruntime-web"  # type: ignore[index]
