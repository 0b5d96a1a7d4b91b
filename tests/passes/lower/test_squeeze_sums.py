"""A sum over everything keeps its axes and drops them behind; every other reduction is left alone."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import assert_same, run
from support.protos import proto

from edgec.passes.lower.squeeze_sums import SqueezeSums
from edgec.runtimes import runtime

SUMS = ("ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")
FEEDS = {"x": np.abs(weights(2, 3, 4)) + np.float32(0.5)}


@pytest.mark.parametrize("op", SUMS)
@pytest.mark.parametrize("opset", [17, 18])
def test_it_is_the_same_number(op: str, opset: int) -> None:
    made = model(f"g (float[N, 3, 4] x) => (float y) {{ s = {op} <keepdims = 0> (x) y = Neg(s) }}", opset=opset)
    before = run(made, FEEDS)
    assert SqueezeSums()(made).modified
    assert [node.op_type for node in made.graph] == [op, "Squeeze", "Neg"]
    assert made.graph[0].attributes.get_int("keepdims") == 1
    assert list(made.graph[0].outputs[0].shape) == [1, 1, 1]
    assert len(made.graph[1].outputs[0].shape or ()) == 0
    assert_same(before, run(made, FEEDS), tolerance=0)
    assert not SqueezeSums()(made).modified


def test_a_public_output_keeps_its_name() -> None:
    made = model("g (float[N, 3, 4] x) => (float y) { y = ReduceMean <keepdims = 0> (x) }")
    before = run(made, FEEDS)
    assert SqueezeSums()(made).modified
    assert made.graph.outputs[0].name == "y"
    assert_same(before, run(made, FEEDS), tolerance=0)


@pytest.mark.parametrize(
    ("opset", "text"),
    [(17, "y = ReduceMean <keepdims = 0, axes = [0, -1, 1]> (x)"), (18, "y = ReduceMean <keepdims = 0> (x, all)")],
)
def test_axes_that_are_all_there_are(opset: int, text: str) -> None:
    constants = {"all": np.int64([0, 1, 2])} if "all" in text else {}
    made = model(f"g (float[N, 3, 4] x) => (float y) {{ {text} }}", opset=opset, **constants)
    before = run(made, FEEDS)
    assert SqueezeSums()(made).modified
    assert_same(before, run(made, FEEDS), tolerance=0)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("float[1, 1, 1]", "y = ReduceMean(x)"),
        ("float", "y = ReduceMax <keepdims = 0> (x)"),
        ("float[N, 3]", "y = ReduceMean <keepdims = 0> (x, last)"),
        ("float[N, 3, 4]", "y = ReduceMean <keepdims = 0, noop_with_empty_axes = 1> (x)"),
    ],
    ids=["its axes are kept", "OpenVINO takes it", "some axes remain", "it does nothing"],
)
def test_others_are_left_alone(shape: str, text: str) -> None:
    constants = {"last": np.int64([2])} if "last" in text else {}
    made = model(f"g (float[N, 3, 4] x) => ({shape} y) {{ {text} }}", opset=18, **constants)
    assert not SqueezeSums()(made).modified


@settings(max_examples=20, deadline=None)
@given(dims=st.lists(st.integers(1, 4), min_size=1, max_size=4), op=st.sampled_from(SUMS))
def test_any_rank(dims: list[int], op: str) -> None:
    shape = ", ".join(map(str, dims))
    made = model(f"g (float[{shape}] x) => (float y) {{ y = {op} <keepdims = 0> (x) }}", opset=18)
    feeds = {"x": np.linspace(0.5, 2, int(np.prod(dims)), dtype=np.float32).reshape(dims)}
    before = run(made, feeds)
    assert SqueezeSums()(made).modified
    assert_same(before, run(made, feeds), tolerance=0)


@pytest.mark.targets
@pytest.mark.parametrize("op", SUMS)
def test_openvino_takes_it_so_and_only_so(op: str) -> None:
    """The fact behind the pass: when a newer build takes the scalar form, the pass can go."""
    place = runtime("openvino-cpu")
    reason = place.available()
    if reason is not None:
        pytest.skip(reason)
    text = f"""g (float[2, 3, 4] x) => (float[2, 3, 4] y) {{
        a = Relu(x) b = Exp(a) c = Add(a, b) e = Tanh(c) s = {op} <keepdims = 0> (e) y = Div(e, s)
    }}"""
    kept = text.replace(f"s = {op} <keepdims = 0> (e)", f"k = {op} <keepdims = 1> (e) s = Squeeze(k)")
    off = []
    with closing(place):
        for each in (text, kept):
            with closing(place.open(proto(each, opset=17, ir_version=9).SerializeToString())) as session:
                off.append([kernel.op_type for kernel in session.placement(FEEDS).off_provider(place.providers[:1])])
    assert off == [[op], []]
