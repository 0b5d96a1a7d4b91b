"""The npm sample, as its README says: model, TypeScript, the golden answer in Node."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgec.runtimes import runtime

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.slow, pytest.mark.targets]


def npm(sample: Path, *words: str) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    run = subprocess.run(
        ["npm", *words], cwd=sample, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_sample_ends_in_the_golden_answer(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    if (why := runtime("web-wasm").available()) is not None:
        pytest.skip(f"web-wasm: {why}")
    for name in ("npm", "digits"):
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("dist", "node_modules"))
    sample = tmp_path / "npm"
    npm(sample, "install", "--no-audit", "--no-fund")
    assert "proved" in npm(sample, "run", "build")
    assert "from the golden logits" in npm(sample, "test")
    manifest = sample / "dist" / "model" / "manifest.json"
    written = manifest.read_bytes()
    npm(sample, "run", "model")  # nothing changed: from the cache, the same bytes
    assert manifest.read_bytes() == written
