"""A build killed at any moment: no bundle that verifies and is not what it says, no cache that poisons the next one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgec.bundle import Bundle
from edgec.compiler.build_project import BuildOptions, build_projects
from edgec.errors import BundleError

KILLS = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups"),
]


def _command(project: Path, output: str) -> list[str]:
    return [
        sys.executable, "-m", "edgec", "build", str(project), "-o", str(project.parent / output), "-j", "2",
        "--cache-dir", str(project.parent / "cache"), "-q",
    ]  # fmt: skip


def _payload(folder: Path) -> dict[str, bytes]:
    """What is no proof: those of the bundles, and the page over them, are dated."""
    files = ((file.relative_to(folder), file) for file in sorted(folder.rglob("*")) if file.is_file())
    kept = ((name, file) for name, file in files if "proof" not in name.parts and name.name != "index.html")
    return {name.as_posix(): file.read_bytes() for name, file in kept}


def _reference(project: Path) -> dict[str, bytes]:
    build_projects([project], project.parent / "reference", options=BuildOptions(cache=False))
    return _payload(project.parent / "reference")


def test_killed_at_ten_random_moments(project: Path) -> None:
    right = _reference(project)
    started = time.monotonic()
    subprocess.run(_command(project, "timed"), check=True, cwd=project.parent)
    whole = time.monotonic() - started
    for entry in (project.parent / "cache").glob("bundles/??/*"):
        entry.rename(project.parent / f"gone-{entry.name}")
    moments = random.Random(5)
    for _ in range(KILLS):
        process = subprocess.Popen(_command(project, "out"), cwd=project.parent, start_new_session=True)
        time.sleep(moments.uniform(0.1, whole))
        os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must follow
        process.wait()
        _until_alone(process.pid)
        for name in ("host", "small"):
            folder = project.parent / "out" / "faces" / name
            if folder.exists():
                bundle = Bundle.open(folder)
                bundle.verify()
                assert _payload(folder) == {
                    file.removeprefix(f"faces/{name}/"): raw for file, raw in right.items() if f"/{name}/" in file
                }
    subprocess.run(_command(project, "out"), check=True, cwd=project.parent)
    assert _bundles(_payload(project.parent / "out")) == right


def test_two_at_once_give_the_same_bytes(project: Path) -> None:
    right = _reference(project)
    both = [subprocess.Popen(_command(project, name), cwd=project.parent) for name in ("left", "right")]
    assert [process.wait() for process in both] == [0, 0]
    assert _payload(project.parent / "left") == _payload(project.parent / "right") == right


def test_two_at_once_into_one_folder(project: Path) -> None:
    """One of them may be refused; what lies there is whole and right."""
    right = _reference(project)
    both = [subprocess.Popen(_command(project, "same"), cwd=project.parent) for _ in range(2)]
    assert 0 in [process.wait() for process in both]
    for name in ("host", "small"):
        try:
            Bundle.open(project.parent / "same" / "faces" / name).verify()
        except BundleError as error:
            pytest.fail(str(error))
    assert _bundles(_payload(project.parent / "same")) == right


def _bundles(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without what a killed build left beside the bundles, whose names start with a dot."""
    return {name: raw for name, raw in files.items() if not any(part.startswith(".") for part in Path(name).parts)}


def _until_alone(group: int) -> None:
    """Wait until no process of the group is left."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("workers outlive the build that started them")
