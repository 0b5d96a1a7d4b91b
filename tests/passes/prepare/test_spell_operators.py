from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.spell_operators import SPELLINGS, SpellOperators

ALL = SpellOperators(ops=tuple(SPELLINGS))


def unary(body: str, *, opset: int = 18, rest: str = "float[2,4] y") -> object:
    return model(f"g (float[2,4] x) => ({rest}) {{ {body} }}", opset=opset)


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ("y = Neg(x)", "y = Mul(x, y_-1)"),
        ("y = Abs(x)", "y_Mul_Output = Mul(x, y_-1)\ny = Max(x, y_Mul_Output)"),
        ("y = Min(x, x)", None),
        (
            "y = HardSwish(x)",
            "y_HardSigmoid_Output = HardSigmoid<alpha=0.16666666666666666, beta=0.5>(x)\n"
            "y = Mul(x, y_HardSigmoid_Output)",
        ),
        ("y = Softsign(x)", None),
    ],
)
def test_elementwise(body: str, after: str | None) -> None:
    made = unary(body)
    if after is not None:
        rewrites(ALL, made, after)
        return
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert ALL(made).modified
    assert not {node.op_type for node in made.graph} & set(SPELLINGS)
    assert_same(before, run(made, feeds))


@pytest.mark.parametrize("opset", [12, 13, 18])
@pytest.mark.parametrize("op", ["ReduceL2", "ReduceSumSquare"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions_write_axes_as_their_operator_set_does(op: str, opset: int, keepdims: int) -> None:
    shape = "float[2,1] y" if keepdims else "float[2] y"
    given_axes = "axes=[1]," if opset < 18 else ""
    operands = "x" if opset < 18 else "x, a"
    made = model(
        f"g (float[2,4] x) => ({shape}) {{ y = {op}<{given_axes}keepdims={keepdims}>({operands}) }}",
        opset=opset,
        a=np.array([1], np.int64),
    )
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert ALL(made).modified
    assert_same(before, run(made, feeds))


def test_swish_is_x_times_a_sigmoid() -> None:
    """ONNX Runtime has no kernel for Swish; the definition stands in for it."""
    made = model("g (float[2,4] x) => (float[2,4] y) { y = Swish<alpha=1.5>(x) }", opset=24)
    x = np.linspace(-4, 4, 8, dtype=np.float32).reshape(2, 4)
    assert ALL(made).modified
    assert_same({"y": x / (1 + np.exp(-1.5 * x))}, run(made, {"x": x}))


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=8, max_size=8))
def test_negation_magnitude_and_minimum_are_exact(numbers: list[float]) -> None:
    made = model(
        "g (float[2,4] x, float[2,4] z) => (float[2,4] y) { a = Neg(x) \n b = Abs(a) \n y = Min(b, z, a) }",
    )
    x = np.array(numbers, np.float32).reshape(2, 4)
    assert ALL(made).modified
    expected = np.minimum(np.minimum(np.abs(x), x[::-1]), -x)
    assert np.array_equal(run(made, {"x": x, "z": x[::-1].copy()})["y"], expected)


def test_half_gets_constants_of_its_type() -> None:
    made = model("g (float16[2,4] x) => (float16[2,4] y) { y = Neg(x) }")
    assert ALL(made).modified
    assert made.graph.initializers["y_-1"].dtype.name == "FLOAT16"


def test_integers_and_what_is_not_asked_for_stay() -> None:
    leaves_alone(ALL, model("g (int64[4] x) => (int64[4] y) { a = Neg(x) \n y = Abs(a) }"))
    leaves_alone(SpellOperators(ops=("Abs",)), model("g (float[4] x) => (float[4] y) { y = Neg(x) }"))


def test_an_operator_nobody_spells() -> None:
    with pytest.raises(ValueError, match=r"^ops: 'Sign' is not one of Abs, HardSwish, Min, Neg, ReduceL2, "):
        SpellOperators(ops=("Sign",))
