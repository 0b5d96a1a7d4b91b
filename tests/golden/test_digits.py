"""What each CPU target makes of the shipped example: one line per operator. `make golden` rewrites the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
import pytest
from support.tables import table

import edgec

TARGETS = ("x86-64-vnni", "x86-64-avx2", "arm64-dotprod", "arm64")


@pytest.mark.parametrize("target", TARGETS)
def test_digits(target: str, digits: Path, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    bundle = edgec.compile(
        digits / "digits.onnx",
        target=target,
        calibration=digits / "calibration.npz",
        samples=50,
        output=tmp_path / "out",
        prove=False,
    )
    golden(f"digits.{target}", table(ir.load(bundle.model)))
