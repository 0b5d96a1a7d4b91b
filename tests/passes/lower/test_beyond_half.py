from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import model
from support.numerics import run
from support.recipes import measure_on

from edgec.compiler.proving.rounded import round_results
from edgec.passes.lower.beyond_half import FindBeyondHalf, beyond_half
from edgec.passes.lower.compute_in_half import ComputeInHalf
from edgec.passes.recipe import Recipe

# 50 * 50 * 30 = 75000 in the middle, 750 at the end.
GROWS = "g (float[2,4] x) => (float[2,4] y) { a = Mul(x, k) \n b = Mul(a, m) \n c = Mul(b, n) \n y = Relu(c) }"
CONSTANTS = {"k": np.float32(50.0), "m": np.float32(30.0), "n": np.float32(0.01)}
X = {"x": np.full((2, 4), 50.0, np.float32)}


def found(graph: ir.Model, samples: dict[str, np.ndarray] | None, **options: float) -> dict[str, str | None]:
    """What is said of every node, by its output."""
    each = FindBeyondHalf(**options)
    if samples is not None:
        measure_on([samples])(graph, each.needs(graph))
    assert not each(graph).modified
    return {str(node.outputs[0].name): beyond_half(node) for node in graph.graph}


def test_whoever_touches_a_number_beyond_float16() -> None:
    reason = "'b' reaches 75000 on the samples, and float16 ends at 65504"
    assert found(model(GROWS, **CONSTANTS), X) == {"a": None, "b": reason, "c": reason, "y": None}


def test_headroom_is_kept_below_the_end() -> None:
    half = {"x": X["x"] / 2}  # 37500 in the middle
    reason = "'b' reaches 37500 on the samples, and float16 ends at 65504"
    assert found(model(GROWS, **CONSTANTS), half) == {"a": None, "b": reason, "c": reason, "y": None}
    assert set(found(model(GROWS, **CONSTANTS), half, headroom=1.5).values()) == {None}


def test_without_samples_nothing_is_said() -> None:
    assert set(found(model(GROWS, **CONSTANTS), None).values()) == {None}


def test_float16_computes_what_it_holds_and_the_rest_stays() -> None:
    blind, seeing = model(GROWS, **CONSTANTS), model(GROWS, **CONSTANTS)
    ComputeInHalf()(blind)
    found(seeing, X)
    ComputeInHalf()(seeing)
    for graph in (blind, seeing):
        round_results(graph)  # or ONNX Runtime keeps what is between float16 nodes in float32
    assert np.isinf(run(blind, X)["y"]).all()
    assert np.allclose(run(seeing, X)["y"], 750.0, rtol=2e-3)


def test_types_change_where_numbers_fit() -> None:
    graph = model(GROWS, **CONSTANTS)
    found(graph, X)
    ComputeInHalf()(graph)
    types = {node.name: node.outputs[0].dtype.name for node in graph.graph if node.op_type != "Cast"}
    assert types == {"a": "FLOAT16", "b": "FLOAT", "c": "FLOAT", "y": "FLOAT16"}


MASKED = """g (float[1,4,4] s, float[1,1,4] m) => (float[1,4,4] y) {
    n = Sub(one, m)
    l = Mul(n, low)
    a = Add(s, l)
    y = Softmax(a)
}"""


def test_a_mask_may_sink() -> None:
    """-60000 where nothing is to be attended to: exp of it is 0 in either type."""
    feeds = {"s": np.ones((1, 4, 4), np.float32), "m": np.array([[[1, 1, 0, 0]]], np.float32)}
    graph = model(MASKED, one=np.float32(1.0), low=np.float32(-60000.0))
    before = run(graph, feeds)
    assert set(found(graph, feeds).values()) == {None}
    ComputeInHalf()(graph)
    assert np.allclose(run(graph, feeds)["y"], before["y"], atol=1e-3)


def test_one_that_rises_may_not() -> None:
    feeds = {"s": np.ones((1, 4, 4), np.float32), "m": np.array([[[1, 1, 0, 0]]], np.float32)}
    graph = model(MASKED, one=np.float32(1.0), low=np.float32(60000.0))
    assert [name for name, reason in found(graph, feeds).items() if reason] == ["l", "a", "y"]


@given(st.lists(st.floats(-2e5, 2e5, width=32), min_size=2, max_size=2), st.floats(1.0, 4.0))
def test_the_end_is_where_it_is(ends: list[float], headroom: float) -> None:
    graph = model("g (float[2] x) => (float[2] y) { y = Identity(x) }")
    said = found(graph, {"x": np.array(ends, np.float32)}, headroom=headroom)
    assert (said["y"] is not None) == (max(abs(end) for end in ends) * headroom > 65504.0)


def test_headroom_below_one() -> None:
    with pytest.raises(ValueError, match=r"^headroom: 0.5 is below 1$"):
        FindBeyondHalf(headroom=0.5)


def test_a_recipe_without_samples_leaves_it_out() -> None:
    recipe = Recipe(scheme="fp16", passes=(FindBeyondHalf(), ComputeInHalf()))
    assert recipe.without_samples() == Recipe(scheme="fp16", passes=(ComputeInHalf(),))
    assert Recipe.from_json(recipe.to_json()) == recipe
