from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, optimized_ops, run
from support.recipes import compiled, measure_on, recipe

from edgec.passes.lower.split_clamps import SplitClamps

LOW, HIGH = np.array(-0.5, np.float32), np.array([0.75], np.float32)


def source(text: str) -> ir.Model:
    constants = {"low": LOW, "high": HIGH, "w": weights(4, 4)}
    return model(text, infer=False, **{name: array for name, array in constants.items() if name in text})


def before(text: str) -> ir.Model:
    """The model as it is right before this pass."""
    made = source(text)
    measure = measure_on([feeds_of(made)])
    for each in recipe("a8w8"):
        if isinstance(each, SplitClamps):
            return made
        if needs := each.needs(made):
            measure(made, needs)
        each(made)
    raise AssertionError("the recipe splits no clamps")


TEXT = "g (float[N,4] x) => (float[N,4] y) {{ a = Gemm(x, w) \n r = {clamp} \n y = Softmax(r) }}"


@pytest.mark.parametrize(
    ("clamp", "after"),
    [
        ("Relu(a)", ["r = Max(a, r_zero)", "y = Softmax(r)"]),
        ("Clip(a, low, high)", ["r_max = Max(a, low)", "r = Min(r_max, high)", "y = Softmax(r)"]),
        ("Clip(a, low)", ["r = Max(a, low)", "y = Softmax(r)"]),
        ('Clip(a, "", high)', ["r = Min(a, high)", "y = Softmax(r)"]),
        ("Clip(a)", ["y = Softmax(a)"]),
    ],
)
def test_a_clamp_becomes_max_and_min(clamp: str, after: list[str]) -> None:
    made = before(TEXT.format(clamp=clamp))
    feeds = feeds_of(made)
    answer = run(made, feeds)
    assert SplitClamps()(made).modified
    tail = [line for line in graph_text(made).splitlines() if "QuantizeLinear" not in line and "Deq" not in line]
    assert tail == after
    assert_same(answer, run(made, feeds), tolerance=0)
    assert not SplitClamps()(made).modified


@pytest.mark.parametrize("kernel", ["Gemm(x, w)", "MatMul(x, w)"])
@pytest.mark.parametrize("clamp", ["Relu(a)", "Clip(a, low, high)"])
def test_it_is_what_keeps_the_integer_kernel(kernel: str, clamp: str) -> None:
    text = f"g (float[N,4] x) => (float[N,4] y) {{ a = {kernel} \n r = {clamp} \n y = Softmax(r) }}"
    shipped = compiled(source(text), "a8w8", [feeds_of(source(text))])
    assert {"QGemm", "MatMulIntegerToFloat"} & set(optimized_ops(shipped))
    # Without it, ONNX Runtime runs the kernel in float: the day it does not, this pass can go.
    assert {"Gemm", "FusedGemm", "MatMul"} & set(optimized_ops(before(text)))


@pytest.mark.parametrize(
    "text",
    [
        "g (float[N,4] x) => (float[N,4] y) { a = Gemm(x, w) \n y = Relu(a) }",
        "g (float[N,4] x) => (float[N,4] y, float[N,4] a) { a = Gemm(x, w) \n r = Relu(a) \n y = Softmax(r) }",
        "g (float[N,4] x) => (float[N,4] y) { a = Gemm(x, w) \n r = Relu(a) \n y = Gemm(r, w) }",
        "g (float[N,4] x) => (float[N,4] y) { a = Gemm(x, w) \n t = Tanh(a) \n r = Relu(t) \n y = Softmax(r) }",
    ],
    ids=["public", "read twice", "absorbed", "another producer"],
)
def test_it_stays(text: str) -> None:
    made = before(text)
    assert not SplitClamps()(made).modified
