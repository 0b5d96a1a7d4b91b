"""`model.ort` where it will live: the target's own ONNX Runtime opens it; for XNNPACK there is none that runs there."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

import edgec
from edgec.bundle import Bundle
from edgec.errors import EdgecError
from edgec.runtimes import runtime
from edgec.runtimes.base import SessionSettings
from edgec.runtimes.ort_format import REPLAY, save_ort_format

pytestmark = pytest.mark.targets

XNNPACK = "XnnpackExecutionProvider"


def compiled(digits: Path, output: Path, target: str, place: str, **options: object) -> Bundle:
    if reason := runtime(place).available():
        pytest.skip(f"{place}: {reason}")
    return edgec.compile(
        digits / "digits.onnx",
        target=target,
        calibration=digits / "calibration.npz",
        output=output,
        prove=False,
        cache=False,
        **options,
    )


@pytest.mark.parametrize(
    ("target", "place"),
    [("android-cpu", "arm64-cortex-a76"), ("armv7", "armv7-cortex-a7"), ("web-wasm", "web-wasm")],
)
def test_it_answers_as_the_model_there(target: str, place: str, digits: Path, tmp_path: Path) -> None:
    bundle = compiled(digits, tmp_path / "out", target, place, ort=True)
    verdict = bundle.prove(on=place, probe=False)
    found = json.loads((bundle.proof / "proof.json").read_text())["ort"]
    assert (found["runtime"], found["agrees"], found["style"]) == (place, True, "fixed")
    assert {each.id: each.status for each in verdict.results}["ort"] == "met"


def test_xnnpack_runs_none(digits: Path, tmp_path: Path) -> None:
    """What `--ort` is refused for: when this fails, there is a style for it (ONNX Runtime 1.21)."""
    bundle = compiled(digits, tmp_path / "out", "pixel-8", "xnnpack-x86-64")
    feeds = bundle.golden()[0][0]
    with closing(runtime("xnnpack-x86-64")) as there:
        seen = there.open(bundle.model).placement(feeds)
        assert {kernel.provider for kernel in seen.kernels if "Conv" in kernel.op_type} == {XNNPACK}
        save_ort_format(bundle.model, tmp_path / "fixed.ort", later=False, signed=True)
        seen = there.open(tmp_path / "fixed.ort").placement(feeds)
        assert {kernel.provider for kernel in seen.kernels if "Conv" in kernel.op_type} == {"CPUExecutionProvider"}
        save_ort_format(bundle.model, tmp_path / "runtime.ort", later=True, signed=True)
        with pytest.raises(EdgecError, match="Schema was not found for fused node"):
            there.open(tmp_path / "runtime.ort", SessionSettings(config={REPLAY: "1"}))
