"""Digits at three widths under four recipes, searched once; and points made of numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.points import point

from edgec.compiler.explore import search
from edgec.compiler.exploring.exploration import Exploration
from edgec.compiler.exploring.point import Point

# What places nodes by measured time would make two searches differ: it is off.
RECIPES: dict[str, dict[str, Any]] = {
    "int8": {"scheme": "a8w8", "search": False},
    "mixed": {"scheme": "a8w4", "search": False},
    "w4": {"scheme": "w4", "search": False},
    "float": {"scheme": "float", "search": False},
}
BY = ("accuracy", "size")


@pytest.fixture(scope="session")
def widths(digits: Path) -> dict[str, Path]:
    """The example at three widths."""
    return {
        name: digits / f"digits{tail}.onnx" for name, tail in (("full", ""), ("half", "-half"), ("quarter", "-quarter"))
    }


@pytest.fixture(scope="session")
def samples(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Some of its images: to observe, and to prove with."""
    folder = tmp_path_factory.mktemp("samples")
    with np.load(digits / "calibration.npz") as arrays:
        np.savez(folder / "calib.npz", image=arrays["image"][:40])
    with np.load(digits / "evaluation.npz") as arrays:
        np.savez(folder / "eval.npz", image=arrays["image"][:300], label=arrays["label"][:300])
    return {"calibration": folder / "calib.npz", "evaluation": folder / "eval.npz"}


@pytest.fixture(scope="session")
def found(widths: dict[str, Path], samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Exploration:
    """Three widths under four recipes, in this process."""
    folder = tmp_path_factory.mktemp("found")
    return search(
        widths, RECIPES, output=folder, by=BY, jobs=1, contract={"accuracy": "90%", "size": "60KB"}, **samples
    )


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Point]:
    """A point of numbers, as `support.points.point` makes it."""
    return partial(point, folder=tmp_path)
