"""What the x86-64-vnni target makes of the real models, where they are: one line per operator.

`make golden` rewrites the tables. Eight samples are enough: they decide ranges, and here only whether a clamp is
inside one. Nothing is searched: what is timed belongs to one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
import pytest
from feeds import read_samples, write_samples
from models import MODELS, ZooModel
from support.tables import table

import edgec
from edgec.compiler.samples.base import State

SAMPLES = 8


@pytest.mark.zoo
@pytest.mark.slow
@pytest.mark.parametrize("each", MODELS.values(), ids=list(MODELS))
def test_zoo(each: ZooModel, zoo: Path, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    source = zoo / "models" / each.name / "model.onnx"
    if not source.is_file():
        pytest.skip(f"{each.name} is not in the zoo: `make bench-zoo` builds it")
    file = tmp_path / "calibration.npz"
    write_samples(each.task, SAMPLES, file)
    bundle = edgec.compile(
        source,
        target="x86-64-vnni",
        scheme="a8w8",
        calibration=file if each.task.uniform else read_samples(file),
        state=State(carried=each.task.carried, start=each.task.start),
        output=tmp_path / "out",
        prove=False,
        search=False,
    )
    golden(f"zoo.{each.name}", table(ir.load(bundle.model), width=28))
