"""The wheel that a reader's `pip install edgec` gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """edgec as this repository is now."""
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", out, repository], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stdout
    (built,) = out.glob("*.whl")
    return built
