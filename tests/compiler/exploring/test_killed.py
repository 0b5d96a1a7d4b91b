"""A search killed at any moment goes on behind the last trial it finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgec.compiler.exploring.exploration import Exploration

from .conftest import BY, RECIPES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups"),
]
ENTRIES = "trials/??/*/bundle/manifest.json"


@pytest.fixture
def project(widths: dict[str, Path], samples: dict[str, Path], tmp_path: Path) -> Path:
    """The search of `found`, as a project file."""
    lines = ["[contract]", 'accuracy = "90%"', 'size = "60KB"', "[search]", f"by = {json.dumps(BY)}", "[search.models]"]
    lines += [f"{name} = {json.dumps(str(path))}" for name, path in widths.items()]
    for name, options in RECIPES.items():
        lines += [f"[search.recipes.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in options.items())]
    for role, path in samples.items():
        lines += [f"[{role}]", f"path = {json.dumps(str(path))}"]
    (tmp_path / "edgec.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "edgec", "search", "-o", str(folder / "search"), "-j", "2", "-q", "--format", "json"]


def finished(folder: Path) -> dict[str, int]:
    """The trials that are kept, and when the entry of each was made."""
    return {file.parents[1].name: file.stat().st_ino for file in (folder / "search").glob(ENTRIES)}


def test_killed_and_gone_on_with(project: Path, found: Exploration) -> None:
    before: dict[str, int] = {}
    for wanted in (2, 6):
        process = subprocess.Popen(command(project), cwd=project, start_new_session=True, stdout=subprocess.DEVNULL)
        until(lambda wanted=wanted: len(finished(project)) >= wanted)
        os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must follow
        process.wait()
        until(lambda group=process.pid: not alive(group))
        now = finished(project)
        assert before.items() <= now.items()  # nothing that was kept is made again
        assert not (project / "search" / "search.json").exists()
        before = now
    kept = len(before)
    assert 6 <= kept < 12
    done = subprocess.run(command(project), cwd=project, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert sum(each["cached"] for each in said["candidates"]) == kept
    assert before.items() <= finished(project).items()
    assert len(finished(project)) == 12
    assert said["front"] == list(found.front)
    assert said["recommended"] == found.chosen
    assert {each["name"]: each["values"]["accuracy"] for each in said["candidates"]} == {
        row.name: json.loads(json.dumps(row.values["accuracy"].to_json())) for row in found.rows
    }


def until(condition: object) -> None:
    for _ in range(3000):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.1)
    pytest.fail("it took too long")


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
