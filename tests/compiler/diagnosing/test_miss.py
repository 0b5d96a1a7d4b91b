"""A compile that misses its budget ends with the diagnosis; others do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.planted import FAULTS

from edgec.compiler.compile import CompileResult, compile_request
from edgec.compiler.contract import Contract
from edgec.compiler.request import CompileRequest
from edgec.targets.policy import Policy


def compiled(folder: Path, limit: str, **options: object) -> CompileResult:
    planted = FAULTS["saturating_sigmoid"](0)
    return compile_request(
        CompileRequest(
            model=planted.model,
            target="x86-64-vnni",
            calibration=planted.calibration,
            evaluation=planted.evaluation,
            contract=Contract.from_flags(min_sqnr=limit),
            output=folder / "out",
            **options,  # type: ignore[arg-type]
        )
    )


def test_a_miss_is_diagnosed(tmp_path: Path) -> None:
    result = compiled(tmp_path, "25dB", search=False)
    assert result.verdict is not None
    assert result.verdict.exit_code == 12
    found = result.diagnosis
    assert found is not None
    assert found.cause == "saturated input range"
    assert found.best is not None
    assert found.best.repair.lines == ('ranges = ["gate=-8:8"]',)
    folder = result.bundle.proof / "diagnosis"
    assert {file.name for file in folder.iterdir()} == {
        "diagnosis.json", "error_by_depth.svg", "histogram_0.svg",
    }  # fmt: skip
    written = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
    assert written == {
        "schema_version": "1",
        "bundle": result.bundle.digest,
        **json.loads(json.dumps(found.to_json())),
    }
    result.bundle.verify()


def test_the_line_it_gives_meets_the_budget(tmp_path: Path) -> None:
    result = compiled(tmp_path, "25dB", search=False, policy=Policy(ranges=("gate=-8:8",)))
    assert result.verdict is not None
    assert result.verdict.word in ("proved", "checked")
    assert result.diagnosis is None


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        ("15dB", {}),
        ("25dB", {"diagnose": False}),
        ("25dB", {"prove": False}),
        ("99dB", {"policy": Policy(scheme="w8")}),
    ],
)
def test_others_are_not(limit: str, options: dict[str, object], tmp_path: Path) -> None:
    assert compiled(tmp_path, limit, search=False, **options).diagnosis is None


def test_sequences_are_diagnosed_with_their_state(recurrent: Path, tmp_path: Path) -> None:
    import edgec

    rng = np.random.default_rng(1)
    sequences = [[{"x": rng.normal(size=(1, 8)).astype(np.float32)} for _ in range(5)] for _ in range(6)]
    bundle = edgec.compile(
        recurrent,
        calibration=sequences[:3],
        evaluation=sequences[3:],
        state={"state": "state_out"},
        search=False,
        output=tmp_path / "out",
    )
    found = edgec.diagnose(bundle, model=recurrent, calibration=sequences[:3], plots=tmp_path / "plots")
    assert found.sqnr_db > 10
    assert {birth.op for birth in found.births} <= {"Gemm", "Add", "input", "Relu"}
    assert found.notes[-1].startswith("no evaluation samples: ")
    assert (tmp_path / "plots" / "error_by_depth.svg").is_file()
