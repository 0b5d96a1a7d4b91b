"""What reads a Concat reads its operands one by one, exactly."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.awkward import AWKWARD, build
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.state import signature, snapshot

from edgec.passes.edit import why_skipped
from edgec.passes.prepare.split_concats import SplitConcats

CONV = """net (float[1, 2, 5, 5] a, float[1, 3, 5, 5] b) => (float[1, 4, 5, 5] y) {
    c = Concat <axis = 1> (a, b)
    y = Conv <pads = [1, 1, 1, 1]> (c, w, bias)
}"""


def test_a_convolution() -> None:
    net = model(CONV, w=weights(4, 5, 3, 3), bias=weights(4))
    assert SplitConcats(concats=("^c$",))(net).modified
    assert graph_text(net) == (
        "c = Concat<axis=1>(a, b)\n"
        "y_term0 = Conv<pads=(1,1,1,1)>(a, w_part0, bias)\n"
        "y_term1 = Conv<pads=(1,1,1,1)>(b, w_part1)\n"
        "y = Add(y_term0, y_term1)"
    )
    np.testing.assert_array_equal(net.graph.initializers["w_part1"].const_value.numpy(), weights(4, 5, 3, 3)[:, 2:])


@pytest.mark.parametrize(
    ("text", "constants"),
    [
        (CONV, {"w": weights(4, 5, 3, 3), "bias": weights(4)}),
        (
            """net (float[3, 2] a, float[3, 3] b) => (float[3, 4] y) {
                c = Concat <axis = -1> (a, b)
                y = Gemm <transB = 1> (c, w, bias)
            }""",
            {"w": weights(4, 5), "bias": weights(4)},
        ),
        (
            """net (float[3, 2] a, float[3, 3] b, float[3, 1] d) => (float[3, 4] y, float[3, 6] c) {
                c = Concat <axis = 1> (a, b, d)
                y = MatMul (c, w)
            }""",
            {"w": weights(6, 4)},
        ),
    ],
)
def test_the_answers_stay(text: str, constants: dict[str, np.ndarray]) -> None:
    net = model(text, **constants)
    feeds, promised = feeds_of(net), signature(net)
    before = run(net, feeds)
    split = SplitConcats(concats=("c",))
    assert split(net).modified
    assert signature(net) == promised
    assert_same(before, run(net, feeds))
    assert not split(net).modified, "a second run finds nothing"


@pytest.mark.parametrize(
    ("text", "constants", "reason"),
    [
        (
            CONV.replace("float[1, 3, 5, 5] b", "float[1, 2, 5, 5] b").replace("<pads", "<group = 2, pads"),
            {"w": weights(4, 2, 3, 3), "bias": weights(4)},
            "multiplies the Concat before it in groups, transposed or in batches",
        ),
        (
            """net (float[3, 2] a, float[3, 3] b, float[5, 4] w) => (float[3, 4] y) {
                c = Concat <axis = 1> (a, b)
                y = MatMul (c, w)
            }""",
            {},
            "its weight is computed at run time, or the Concat before it joins another axis",
        ),
        (
            """net (float[1, 5] a, float[2, 5] b) => (float[3, 4] y) {
                c = Concat <axis = 0> (a, b)
                y = MatMul (c, w)
            }""",
            {"w": weights(5, 4)},
            "its weight is computed at run time, or the Concat before it joins another axis",
        ),
    ],
)
def test_what_it_leaves_alone(text: str, constants: dict[str, np.ndarray], reason: str) -> None:
    net = model(text, **constants)
    before = snapshot(net)
    assert not SplitConcats(concats=("c",))(net).modified
    assert snapshot(net) == before
    assert next(why_skipped(node) for node in net.graph if node.name == "y") == reason


def test_other_concats_stay() -> None:
    net = model(CONV, w=weights(4, 5, 3, 3), bias=weights(4))
    assert not SplitConcats(concats=("^other$",))(net).modified


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_any_number_of_operands(sizes: list[int], seed: int) -> None:
    names = [f"x{k}" for k in range(len(sizes))]
    inputs = ", ".join(f"float[2, {size}] {name}" for name, size in zip(names, sizes, strict=True))
    net = model(
        f"net ({inputs}) => (float[2, 3] y) {{ c = Concat <axis = 1> ({', '.join(names)})\n y = Gemm(c, w) }}",
        w=weights(sum(sizes), 3, seed=seed),
    )
    feeds = feeds_of(net, seed=seed)
    before = run(net, feeds)
    SplitConcats(concats=("c",))(net)
    assert_same(before, run(net, feeds))


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_graphs(name: str) -> None:
    net = build(name)
    feeds, promised, state = feeds_of(net), signature(net), snapshot(net)
    before = run(net, feeds)
    modified = SplitConcats(concats=("",))(net).modified
    assert modified == (snapshot(net) != state)
    assert signature(net) == promised
    assert_same(before, run(net, feeds))


def test_the_graph_can_be_compiled() -> None:
    from support.recipes import compiled

    net = model(CONV.replace("a, float[1, 3", "a, float[1, 2"), w=weights(4, 4, 3, 3), bias=weights(4))
    feeds = feeds_of(net)
    made = compiled(net, "a8w8", [feeds], split_concats=("^c$",))
    assert isinstance(made, ir.Model)
    assert np.abs(run(made, feeds)["y"] - run(net, feeds)["y"]).max() < 0.1 * np.abs(run(net, feeds)["y"]).max()
