from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from edgec.errors import InstallError
from edgec.runtimes.install.component import Wheels
from edgec.runtimes.install.record import Item
from edgec.runtimes.install.wheels import fetch_wheels

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stub of pip is a shell script")
WHEELS = Wheels(requirements=("onnxruntime==1.31.1", "numpy>=2"), platforms=("a", "b"), python="3.13")
REPORT = {
    "install": [
        {
            "download_info": {
                "url": "https://index/x/onnxruntime-1.31.1+cpu-cp313-cp313-manylinux.whl",
                "archive_info": {"hashes": {"sha256": "abc"}},
            },
            "metadata": {"name": "onnxruntime", "version": "1.31.1+cpu"},
        },
        {"download_info": {"url": "file:///wheels/numpy%2B.whl"}, "metadata": {"name": "numpy", "version": "2.5.5"}},
    ]
}


def stub_pip(folder: Path, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """An interpreter whose `-m pip install` is this shell; $target and $report are what it was asked for."""
    python = folder / "python"
    python.write_text(
        '#!/bin/sh\necho "$@" > "$0.words"\n'
        'while [ $# -gt 0 ]; do case "$1" in --target) target=$2 ;; --report) report=$2 ;; esac; shift; done\n'
        f"{shell}\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))


def test_wheels_are_put_in_the_folder_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report").write_text(json.dumps(REPORT))
    stub_pip(
        tmp_path, monkeypatch,
        f'cp {tmp_path}/report "$report"; cd "$target"; mkdir -p bin numpy/linalg/tests; echo > numpy/a.py',
    )  # fmt: skip
    into = tmp_path / "into"
    into.mkdir()
    said: list[str] = []
    assert fetch_wheels(WHEELS, into, said.append) == [
        Item(
            name="onnxruntime", version="1.31.1+cpu", file="onnxruntime-1.31.1+cpu-cp313-cp313-manylinux.whl",
            sha256="abc",
        ),
        Item(name="numpy", version="2.5.5", file="numpy+.whl", sha256=""),
    ]  # fmt: skip
    assert sorted(path.relative_to(into).as_posix() for path in into.rglob("*")) == [
        "numpy",
        "numpy/a.py",
        "numpy/linalg",
    ]
    words = (tmp_path / "python.words").read_text().split()
    assert words[:5] == ["-m", "pip", "install", "onnxruntime==1.31.1", "numpy>=2"]
    assert "--only-binary=:all:" in words
    assert [words[place + 1] for place, word in enumerate(words) if word == "--platform"] == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "/usr/bin/python3: No module named pip",
            "pip: is not part of {python}. Wheels for other processors are fetched with it. "
            "Add it: {python} -m ensurepip.",
        ),
        (
            "ERROR: No matching distribution found for onnxruntime==1.31.1",
            "onnxruntime==1.31.1, numpy>=2: pip install failed: ERROR: No matching distribution found for "
            "onnxruntime==1.31.1. Use a released version of onnxruntime here, whose wheels for arm64 are in the index.",
        ),
    ],
)
def test_what_pip_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, message: str) -> None:
    stub_pip(tmp_path, monkeypatch, f"echo '{said}' >&2; exit 1")
    with pytest.raises(InstallError) as raised:
        fetch_wheels(WHEELS, tmp_path, print)
    assert str(raised.value) == message.format(python=sys.executable)
