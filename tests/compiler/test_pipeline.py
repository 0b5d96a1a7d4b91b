"""The runner: reports, needs observed once, errors that name the pass, guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler.observers import DumpAfterChange, SignatureGuard, VerifyEach
from edgec.compiler.pipeline import run_passes
from edgec.errors import InternalError, SamplesError
from edgec.passes.base import Pass
from edgec.passes.observe.statistics import Extremes, Need, Range, set_observation

TEXT = '<ir_version: 8, opset_import: ["" : 17]> g (float[1, 4] x) => (float[1, 4] y) { t = Tanh(x) y = Neg(t) }'


@dataclass(frozen=True, kw_only=True)
class Rename(Pass):
    """Renames the graph's output: what no pass may do."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        model.graph.outputs[0].name = "z"
        return ir.passes.PassResult(model, modified=True)


@dataclass(frozen=True, kw_only=True)
class Invalid(Pass):
    """Leaves a node nobody has a schema for."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        next(iter(model.graph)).op_type = "NoSuchOp"
        return ir.passes.PassResult(model, modified=True)


@dataclass(frozen=True, kw_only=True)
class Fails(Pass):
    """Raises."""

    error: Exception

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        raise self.error


@dataclass(frozen=True, kw_only=True)
class Looks(Pass):
    """Needs the range of t; `stale` says that it changed the values."""

    stale: bool = False

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return (Need(value="t", statistic=Extremes()),)

    @property
    def invalidates(self) -> bool:
        return self.stale

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return ir.passes.PassResult(model, modified=self.stale)


def nothing(model: ir.Model, needs: Sequence[Need]) -> None:
    raise AssertionError("no pass asked to observe")


def test_the_signature_is_guarded() -> None:
    with pytest.raises(InternalError) as error:
        run_passes(ir.from_onnx_text(TEXT), [Rename()], measure=nothing, observers=[SignatureGuard()])
    assert str(error.value) == (
        "pass 0 Rename: changed the model's signature from (('x', 'FLOAT'), ('y', 'FLOAT')) "
        "to (('x', 'FLOAT'), ('z', 'FLOAT')). Report it with the model."
    )


def test_each_change_is_verified_on_request() -> None:
    with pytest.raises(InternalError, match=r"pass 0 Invalid: left an invalid model: .*NoSuchOp"):
        run_passes(ir.from_onnx_text(TEXT), [Invalid()], measure=nothing, observers=[VerifyEach()])


def test_each_change_is_dumped_on_request(tmp_path: Path) -> None:
    passes = [Looks(stale=True), Looks()]
    run_passes(ir.from_onnx_text(TEXT), passes, measure=seen_once([]), observers=[DumpAfterChange(folder=tmp_path)])
    assert [file.name for file in tmp_path.iterdir()] == ["00_Looks.onnx"]


def test_an_unexpected_error_names_the_pass_and_what_would_have_followed() -> None:
    with pytest.raises(InternalError) as error:
        run_passes(ir.from_onnx_text(TEXT), [Fails(error=KeyError("w")), Looks()], measure=nothing)
    assert str(error.value) == (
        "pass 0 Fails(error=KeyError('w')): failed with KeyError: 'w'. Behind it: Looks. "
        "Report it with the model; `--scheme float` compiles without this pass."
    )


def test_an_error_for_the_user_passes_through() -> None:
    mine = SamplesError("x.npz", "is empty", remedy="Give samples")
    with pytest.raises(SamplesError) as error:
        run_passes(ir.from_onnx_text(TEXT), [Fails(error=mine)], measure=nothing)
    assert error.value is mine


@pytest.mark.parametrize(("stale", "times"), [(False, 1), (True, 2)])
def test_only_what_is_missing_or_stale_is_observed(stale: bool, times: int) -> None:
    asked: list[str] = []
    reports = run_passes(ir.from_onnx_text(TEXT), [Looks(stale=stale), Looks()], measure=seen_once(asked))
    assert asked == ["t"] * times
    assert [report.modified for report in reports] == [stale, False]


def seen_once(asked: list[str]):
    def measure(model: ir.Model, needs: Sequence[Need]) -> None:
        values = {value.name: value for node in model.graph for value in node.outputs}
        for need in needs:
            asked.append(need.value)
            set_observation(values[need.value], need.statistic, Range(low=np.float32(-1), high=np.float32(1)))

    return measure
