"""Digits at three widths under four recipes, searched once; and points made of numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgec.bundle import Bundle
from edgec.compiler.explore import search
from edgec.compiler.exploring.candidate import Candidate
from edgec.compiler.exploring.exploration import Exploration
from edgec.compiler.exploring.point import Point
from edgec.compiler.metrics import metric_named
from edgec.compiler.request import CompileRequest

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
    """A point of numbers: size in bytes, who is right on which sample."""

    def make(name: str, right: list[int] | None, size: int = 1, **verdict: Any) -> Point:
        model, _, recipe = name.partition("/")
        metric = metric_named("top1")
        scored = None
        if right is not None:
            value = sum(right) / len(right)
            scored = {"name": "top1", "unit": "pt", "n": len(right), "value": value, "value_interval": [value, value]}
            scored |= {"float_value": value, "drop": 0.0, "drop_interval": None}
        evaluation = {"digest": "d", "metric": scored, "metric_reason": "there are no labels", "outputs": {}}
        proof = {"evaluation": evaluation, "size": {"bundle_bytes": size, "float_bytes": 100}, "executed": True}
        return Point(
            candidate=Candidate(model=model, recipe=recipe, request=CompileRequest(model="m.onnx")),
            key=name,
            bundle=Bundle(path=tmp_path, manifest={}),
            proof={**proof, "older": None, "unexecuted": ""},
            verdict={"results": [], "excused": [], "notes": [], **verdict},
            metric=metric,
            records=None if right is None else np.array([right, [1] * len(right)], np.float64).T,
        )

    return make
