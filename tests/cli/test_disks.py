"""Disks that are full, places that cannot be written, readers that go away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMPILE = ("compile", "model.onnx", "--calibration", "calib.npz", "--no-prove")

# A file may grow to so many bytes: what a full disk looks like, without having one.
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from edgec.compiler.cli.app import run
sys.exit(run(sys.argv[2:]))
"""


def edgec(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgec", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
@pytest.mark.parametrize("limit", [100, 4000])
def test_a_full_disk_leaves_the_earlier_output(limit: int, folder: Path, tree: Callable[[Path], Any]) -> None:
    before = tree(folder)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *COMPILE, "-o", "out", "--overwrite"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    problem = "cannot be written: the file size limit is reached. Nothing was written."
    assert done.stderr == f"edgec: error: {folder}/out: {problem} Raise the limit, or give -o elsewhere.\n"
    assert (done.returncode, done.stdout) == (2, "")
    assert tree(folder) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write to")
def test_an_unwritable_parent(folder: Path) -> None:
    done = edgec(*COMPILE, "-o", "/proc/out", cwd=folder)
    assert done.stderr == "edgec: error: /proc/out: cannot be created: /proc takes no folders. Give another -o.\n"
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "edgec", "targets"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=folder)
    problem = "standard output: cannot be written: No space left on device. Send it somewhere else."
    assert (done.returncode, done.stderr) == (2, f"edgec: error: {problem}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_reader_that_went_away(form: str, folder: Path) -> None:
    words = [sys.executable, "-m", "edgec", "targets", "--format", form]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    assert (running.stderr.read(), running.wait()) == ("", 141)
    running.stderr.close()
