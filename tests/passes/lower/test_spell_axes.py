"""Reductions without axes: spelled, or nothing at all."""

from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model, weights
from support.numerics import assert_same, run

from edgec.passes.lower.spell_axes import SpellAxes

FEEDS = {"x": weights(2, 3, 4)}


@pytest.mark.parametrize(
    ("opset", "text"),
    [
        (18, "y = ReduceMean(x)"),
        (18, "y = ReduceL2 <keepdims = 0> (x)"),
        (17, "y = ReduceMax(x)"),
        (17, "y = ReduceSum(x)"),
        (18, "y = ReduceMin(x, none)"),
        (18, 'y = ReduceProd(x, "")'),
    ],
)
def test_all_axes_are_named(opset: int, text: str) -> None:
    constants = {"none": np.zeros(0, np.int64)} if "none" in text else {}
    shape = "float" if "keepdims" in text else "float[1, 1, 1]"
    made = model(f"g (float[N, 3, 4] x) => ({shape} y) {{ {text} }}", opset=opset, **constants)
    before = run(made, FEEDS)
    assert SpellAxes()(made).modified
    (node,) = made.graph
    named = node.attributes.get_ints("axes", ()) or node.inputs[1].const_value.numpy().tolist()
    assert list(named) == [0, 1, 2]
    assert_same(before, run(made, FEEDS), tolerance=0)
    assert not SpellAxes()(made).modified


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"])
def test_one_that_does_nothing_goes(op: str) -> None:
    text = f"y = {op} <noop_with_empty_axes = 1> (x)"
    made = model(f"g (float[N, 3, 4] x) => (float[N, 3, 4] y) {{ {text} }}", opset=18)
    assert SpellAxes()(made).modified
    assert [node.op_type for node in made.graph] == ["Identity"]
    assert_same({"y": FEEDS["x"]}, run(made, FEEDS), tolerance=0)
    assert not SpellAxes()(made).modified


@pytest.mark.parametrize(
    "text",
    ["y = ReduceL1 <noop_with_empty_axes = 1> (x)", "y = ReduceMean(x, one)", "y = ReduceMax(x, fed)"],
)
def test_others_are_left_alone(text: str) -> None:
    fed = ", int64[K] fed" if "fed" in text else ""
    constants = {"one": np.int64([1])} if "one" in text.split("(")[1] else {}
    made = model(f"g (float[N, 3, 4] x{fed}) => (float[A, B, C] y) {{ {text} }}", opset=18, **constants)
    assert not SpellAxes()(made).modified
