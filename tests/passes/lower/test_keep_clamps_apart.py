"""Clamps behind float convolutions that XNNPACK's provider must not fuse: written as Max and Min."""

from __future__ import annotations

import numpy as np
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run

from edgec.passes.lower.keep_clamps_apart import KeepClampsApart

LOW, HIGH = np.float32(-0.25), np.float32(0.5)


def source(text: str, outputs: str = "float[N, 2, H, W] y") -> object:
    constants = {"w": weights(2, 3, 3, 3), "low": LOW, "high": HIGH}
    whole = f"g (float[N, 3, 6, 6] x) => ({outputs}) {{ {text} }}"
    return model(whole, **{name: array for name, array in constants.items() if name in text})


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a = Conv(x, w) r = Relu(a) y = Add(r, a)", ["Conv", "Max", "Add"]),
        ("a = Conv(x, w) r = Clip(a, low, high) y = Add(r, a)", ["Conv", "Max", "Min", "Add"]),
        ("a = MaxPool <kernel_shape = [2, 2]> (x) y = Relu(a) z = Neg(a)", ["MaxPool", "Max", "Identity", "Neg"]),
        ("a = Conv(x, w) y = Clip(a)", ["Conv", "Identity"]),
        ("a = Conv(x, w) r = Clip(a) y = Neg(r)", ["Conv", "Neg"]),
        ('a = Conv(x, w) r = Clip(a, "", "") y = Neg(r)', ["Conv", "Neg"]),
        ("a = Conv(x, w) r = Clip(a, high, low) y = Neg(r)", ["Conv", "Max", "Min", "Neg"]),
    ],
)
def test_a_clamp_is_written_out(text: str, after: list[str]) -> None:
    made = source(text, "float[N, C, H, W] y, float[N, C, H, W] z" if "z =" in text else "float[N, C, H, W] y")
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert KeepClampsApart()(made).modified
    assert [node.op_type for node in made.graph] == after
    assert made.graph.outputs[0].name == "y"
    assert_same(before, run(made, feeds), tolerance=0)
    assert not KeepClampsApart()(made).modified


@pytest.mark.parametrize(
    "text",
    [
        "a = Conv(x, w) y = Relu(a)",
        "a = Conv(x, w) y = Clip(a, low, high)",
        'a = Conv(x, w) y = Clip(a, "", high)',
        "a = Neg(x) r = Relu(a) y = Add(r, a)",
    ],
)
def test_a_clamp_that_is_fused_rightly_is_left_alone(text: str) -> None:
    assert not KeepClampsApart()(source(text, "float[N, C, H, W] y")).modified


def test_a_public_convolution() -> None:
    made = source("a = Conv(x, w) y = Relu(a)", "float[N, 2, H, W] a, float[N, 2, H, W] y")
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert KeepClampsApart()(made).modified
    assert [value.name for value in made.graph.outputs] == ["a", "y"]
    assert_same(before, run(made, feeds), tolerance=0)
