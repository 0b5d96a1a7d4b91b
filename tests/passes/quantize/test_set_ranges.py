"""Ranges given by hand replace what was measured, for a value and for all that share its params."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model, weights
from support.recipes import measure_on, recipe

from edgec.compiler.pipeline import run_passes
from edgec.errors import ModelError, OptionError
from edgec.passes.quantize.compute_params import ComputeParams
from edgec.passes.quantize.decision import decided_values, params_of
from edgec.passes.quantize.set_ranges import SetRanges, read_range
from edgec.targets.policy import Policy

TEXT = """net (float[1, 4, 6, 6] x) => (float[1, 8, 3, 3] y) {
    c = Conv <pads = [1, 1, 1, 1]> (x, w1)
    p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)
    y = Conv <pads = [1, 1, 1, 1]> (p, w2)
}"""


@pytest.fixture
def decided() -> ir.Model:
    net = model(TEXT, w1=weights(16, 4, 3, 3), w2=weights(8, 16, 3, 3))
    passes = recipe("a8w8")
    place = next(k for k, each in enumerate(passes) if isinstance(each, ComputeParams))
    feeds = {"x": np.random.default_rng(0).standard_normal((1, 4, 6, 6)).astype(np.float32)}
    run_passes(net, passes[: place + 1], measure=measure_on([feeds]))
    return net


def scales(net: ir.Model) -> dict[str, float]:
    found = {str(value.name): params_of(value) for value, _ in decided_values(net.graph)}
    return {name: float(params.scale) for name, params in found.items() if params is not None}


def test_a_range_and_what_shares_it(decided: ir.Model) -> None:
    before = scales(decided)
    assert SetRanges(ranges=("c=-1:2",))(decided).modified
    after = scales(decided)
    # 255 steps from -1 to 2; MaxPool carries the params of what it reads.
    assert after["c"] == after["p"] == pytest.approx(3 / 255, rel=1e-6)
    assert {name: after[name] for name in ("x", "y")} == {name: before[name] for name in ("x", "y")}
    assert not SetRanges(ranges=("c=-1:2",))(decided).modified, "the same range again changes nothing"


def test_a_value_without_params(decided: ir.Model) -> None:
    with pytest.raises(Exception, match="carries no activation params") as error:
        SetRanges(ranges=("z=-1:1",))(decided)
    cause = error.value if isinstance(error.value, ModelError) else error.value.__cause__
    assert str(cause) == (
        "value 'z': carries no activation params, so that no range can be set. "
        "Name a value that is quantized, or leave the range out."
    )


@pytest.mark.parametrize("text", ["gate", "gate=1", "gate=2:1", "gate=1:1", "=1:2", "gate=a:b"])
def test_a_range_that_cannot_be_read(text: str) -> None:
    with pytest.raises(OptionError) as error:
        Policy(ranges=(text,))
    assert str(error.value) == (
        f"--range: {text!r} is not NAME=LOW:HIGH with LOW below HIGH. Write it like --range gate=-8:8."
    )


@given(
    name=st.text(min_size=1).filter(lambda text: "=" not in text),
    low=st.floats(-1e6, 1e6, allow_subnormal=False),
    width=st.floats(1e-3, 1e6),
)
def test_what_is_written_is_read(name: str, low: float, width: float) -> None:
    high = low + width
    assert read_range(f"{name}={low!r}:{high!r}") == (name, low, high)


def test_names_may_hold_equals_signs_and_colons() -> None:
    assert read_range("a=b:0=-8:8") == ("a=b:0", -8.0, 8.0)
