"""Ctrl-C and SIGTERM in the middle of a compile: exit 130, nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals to a process")

# Samples without end, and a file that says when they are being read.
FEEDS = """
import pathlib, time
import numpy as np

def feeds():
    for number in range(100_000):
        if number == 20:
            pathlib.Path("../reading").touch()
        time.sleep(0.002)
        yield {"image": np.ones((1, 3, 8, 8), np.float32)}
"""
# A shell may start its jobs deaf to Ctrl-C, and children inherit that.
START = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from edgec.compiler.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


@contextmanager
def compiling(folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A compile that has begun to read its samples."""
    (folder / "feeds.py").write_text(FEEDS, encoding="utf-8")
    words = ["compile", "model.onnx", "--calibration", "feeds.py:feeds", "--no-prove", *more]
    running = subprocess.Popen(
        [sys.executable, "-B", "-c", START, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (folder.parent / "reading").exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield running
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("output", [("-o", "new"), ("-o", "out", "--overwrite")])
def test_a_signal_leaves_nothing(
    number: signal.Signals, output: tuple[str, ...], folder: Path, tree: Callable[[Path], Any]
) -> None:
    before = tree(folder)
    with compiling(folder, *output) as running:
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "edgec: interrupted\n")
    (folder / "feeds.py").unlink()
    assert tree(folder) == before


def test_a_second_signal_does_not_cut_the_cleaning_short(folder: Path, tree: Callable[[Path], Any]) -> None:
    before = tree(folder)
    with compiling(folder, "-o", "new") as running:
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "edgec: interrupted\n")
    (folder / "feeds.py").unlink()
    assert tree(folder) == before


def test_an_interruption_is_json_too(folder: Path) -> None:
    with compiling(folder, "-o", "new", "--format", "json") as running:
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=60)
    assert json.loads(out) == {"error": {"kind": "Interrupted", "message": "interrupted", "exit_code": 130}}
