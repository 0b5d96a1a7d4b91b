"""What the x86-64-vnni target makes of the real models, where they are: one line per operator.

`make golden` rewrites the tables. Eight samples are enough: they decide ranges, and here only whether a clamp is
inside one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
import pytest
from benchmarks.models import MODELS, ZooModel
from support.tables import table

import edgec

SAMPLES = 8


@pytest.mark.zoo
@pytest.mark.slow
@pytest.mark.parametrize("each", MODELS.values(), ids=list(MODELS))
def test_zoo(each: ZooModel, zoo: Path, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    each.write_calibration(SAMPLES, tmp_path / "calibration.npz")
    bundle = edgec.compile(
        zoo / "models" / each.name / "model.onnx",
        target="x86-64-vnni",
        calibration=tmp_path / "calibration.npz",
        output=tmp_path / "out",
        prove=False,
    )
    golden(f"zoo.{each.name}", table(ir.load(bundle.model), width=28))
