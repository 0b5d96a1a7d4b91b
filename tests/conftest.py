"""Fixtures every test may use: the repository, the example, the real models, golden tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write golden tables instead of comparing with them")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def digits() -> Path:
    """The shipped example: digits.onnx, calibration.npz, evaluation.npz, edgec.toml."""
    return REPOSITORY / "examples" / "digits"


@pytest.fixture(scope="session")
def zoo() -> Path:
    """The folder of real models and data; tests that ask for it are skipped where it is not."""
    folder = Path(os.environ.get("EDGEC_ZOO", REPOSITORY.parent / "shared" / "zoo")).absolute()
    if not (folder / "models").is_dir():
        pytest.skip(f"no zoo of real models at {folder}; set EDGEC_ZOO")
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with tests/golden/NAME.txt; `make golden` writes the file instead, and its diff is reviewed."""

    def compare(name: str, text: str) -> None:
        file = REPOSITORY / "tests" / "golden" / f"{name}.txt"
        if request.config.getoption("--rewrite-golden"):
            file.write_text(text, encoding="utf-8", newline="\n")
        assert file.is_file(), f"{file} is missing: run `make golden` and review it"
        assert text == file.read_text(encoding="utf-8"), f"{file.name} differs: run `make golden` and review the diff"

    return compare
