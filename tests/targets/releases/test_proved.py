"""Bundles in the releases that are installed: opened and answered as the rules say, broken where one is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest
from support.classifier import classifier, images, save_npz
from support.rebound import rebound

import edgec
from edgec.bundle import Bundle
from edgec.compiler.contract import ClauseResult, Contract
from edgec.compiler.proving.older import prove_older
from edgec.compiler.samples.base import State
from edgec.runtimes import runtime
from edgec.runtimes.older import older_runtime

pytestmark = pytest.mark.targets


def needs(minor: int) -> None:
    reason = runtime(older_runtime(minor)).available()
    if reason is not None:
        pytest.skip(reason)


def compiled(folder: Path, opset: int = 17, name: str = "out", **options) -> Bundle:
    model = classifier()
    model.opset_import[0].version = opset
    onnx.save(model, folder / "model.onnx")
    save_npz(folder / "calib.npz", image=images(8, seed=1))
    made = {"calibration": folder / "calib.npz", "output": folder / name, "prove": False, **options}
    return edgec.compile(folder / "model.onnx", target="host", **made)


def proved(bundle: Bundle, minor: int) -> ClauseResult:
    verdict = bundle.prove(contract=Contract.from_flags(min_onnxruntime=f"1.{minor}", proof="executed"))
    return next(each for each in verdict.results if each.id == "oldest_onnxruntime")


@pytest.mark.parametrize("scheme", ["a8w8", "d8w8", "w8", "fp16"])
@pytest.mark.parametrize("minor", [16, 17, 20, 23, 28])
def test_what_is_compiled_for_a_release_opens_in_it(tmp_path: Path, minor: int, scheme: str) -> None:
    """From an operator set that none but the newest opens."""
    needs(minor)
    result = proved(compiled(tmp_path, 25, scheme=scheme, contract={"oldest_onnxruntime": f"1.{minor}"}), minor)
    assert result.status == "met", result.reason


@pytest.mark.parametrize(
    ("minor", "scheme", "reason"),
    [
        (
            17,
            "a8w8",
            "IR version 13, and ONNX Runtime 1.17 opens 9 at most; operator set 25, and ONNX Runtime 1.17 opens 20 at "
            "most; it opens from 1.24 on: --min-onnxruntime 1.24",
        ),
        (
            20,
            "a8w4",
            "IR version 13, and ONNX Runtime 1.20 opens 10 at most; operator set 25, and ONNX Runtime 1.20 opens 21 at "
            "most; it opens from 1.24 on: --min-onnxruntime 1.24, or compile it with --scheme a8w8, d8w8 or w8",
        ),
    ],
)
def test_what_is_not_may_not(tmp_path: Path, minor: int, scheme: str, reason: str) -> None:
    needs(minor)
    result = proved(compiled(tmp_path, 25, scheme=scheme), minor)
    assert (result.status, result.reason) == ("broken", reason)


def test_a_kernel_that_came_later_is_named(tmp_path: Path) -> None:
    """The operator set has 4-bit integers; a Cast that takes them came with 1.23, and so says 1.20 itself."""
    needs(20)
    bundle = compiled(tmp_path, scheme="a8w4", contract={"oldest_onnxruntime": "1.20"})
    result = proved(bundle, 20)
    assert result.status == "broken"
    assert result.reason.startswith(
        "Cast of set 21 with INT4 as input 0, for which ONNX Runtime 1.20 has no CPU kernel"
    )
    assert result.reason.endswith(
        "; it opens from 1.23 on: --min-onnxruntime 1.23, or compile it with --scheme a8w8, d8w8 or w8"
    )
    (refused, *_) = prove_older(bundle, 20, State()).runs
    assert "Could not find an implementation for Cast(21)" in refused.refused


def test_a_release_that_computes_something_else_is_found(tmp_path: Path) -> None:
    """1.21 answers 16-bit activations 34 dB away, 1.20 and 1.22 to the bit: the rules cannot know."""
    for minor in (20, 21, 22):
        needs(minor)
    bundle = compiled(tmp_path, scheme="a16w8", contract={"oldest_onnxruntime": "1.20"})
    before, at, after = prove_older(bundle, 20, State()).runs[:3]
    assert (before.exact, at.agrees, after.exact) == (True, False, True)
    assert proved(bundle, 20).reason.startswith("ONNX Runtime 1.21.1 answers otherwise (33.")
    assert proved(bundle, 22).status == "met"


def test_other_answers_break_it(tmp_path: Path) -> None:
    needs(20)
    first = compiled(tmp_path)
    save_npz(tmp_path / "again.npz", image=images(8, seed=9))
    again = compiled(tmp_path, name="again", calibration=tmp_path / "again.npz")
    shutil.copy(again.path / "golden" / "outputs.npz", first.path / "golden" / "outputs.npz")
    rebound(first.path)
    result = proved(Bundle.open(first.path), 20)
    assert result.status == "broken"
    assert result.reason.startswith("ONNX Runtime 1.20.1 answers otherwise (")
