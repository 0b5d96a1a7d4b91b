"""Residual layers that are left out: which, and that the stream goes past them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx_ir.passes.common import CheckerPass
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.recipes import measure_on

from edgec.compiler.pipeline import run_passes
from edgec.passes.prune.layers import PruneLayers

NET = """g (float[N, 3, 8] x, float[N, 3, 8] mask) => (float[N, 3, 8] y) {
    s = MatMul (x, stem)
    a = MatMul (s, wa)  ar = Relu (a)  am = Mul (ar, mask)  ao = MatMul (am, va)
    t = Add (s, ao)
    size = Shape (t)
    b = MatMul (t, wb)  br = Tanh (b)  bo = MatMul (br, vb)
    u = Add (bo, t)
    c = MatMul (u, wc)  co = Mul (c, u)
    v = Add (u, co)
    y = MatMul (v, head)
}"""


def net(small: str) -> ir.Model:
    """Three residual layers, of which one is made to do little."""
    constants = {
        name: weights(8, 8, seed=seed) for seed, name in enumerate(("stem", "wa", "va", "wb", "vb", "wc", "head"))
    }
    constants[small] = constants[small] * np.float32(0.02)
    return model(NET, **constants)


def left(source: ir.Model, share: str, **options: str) -> set[str]:
    """Outputs of nodes that are left, after the pass."""
    each = PruneLayers(share=share, **options)
    feeds = [feeds_of(source, seed=seed) for seed in range(3)]
    first, second = run_passes(source, (each, each), measure=measure_on(feeds))
    assert not second.modified
    CheckerPass()(source.clone())
    found = {str(value.name) for node in source.graph for value in node.outputs}
    assert first.modified == ({"t", "u", "v"} - found != set())
    return found


@pytest.mark.parametrize(("small", "gone"), [("va", {"t", "a"}), ("vb", {"u", "b"}), ("wc", {"v", "c"})])
def test_what_turns_the_stream_least_goes(small: str, gone: set[str]) -> None:
    source = net(small)
    found = left(source, "30%")
    assert {"t", "u", "v"} - found == gone & {"t", "u", "v"}
    assert not gone & found


def test_the_stream_goes_past() -> None:
    source = net("vb")
    exact = model(graph_of(net("vb")), **arrays(net("vb")))
    feeds = feeds_of(source, seed=9)
    left(source, "30%")
    assert_same(run(source, feeds), run(exact, feeds))


def graph_of(source: ir.Model) -> str:
    """The net as if its second layer had never been."""
    assert "u = Add" in graph_text(source)
    text = NET.replace("b = MatMul (t, wb)  br = Tanh (b)  bo = MatMul (br, vb)", "").replace("u = Add (bo, t)", "")
    return text.replace("(u, wc)", "(t, wc)").replace("(c, u)", "(c, t)").replace("(u, co)", "(t, co)")


def arrays(source: ir.Model) -> dict[str, np.ndarray]:
    return {name: value.const_value.numpy() for name, value in source.graph.initializers.items() if value.const_value}


def test_by_magnitude_the_smallest_weights_go() -> None:
    source = net("va")
    assert not PruneLayers(share="10%", by="magnitude").needs(source)
    assert "t" not in left(source, "30%", by="magnitude")


def test_a_budget_smaller_than_any_layer_leaves_all() -> None:
    assert {"t", "u", "v"} <= left(net("va"), "10%")


def test_all_that_fit_go() -> None:
    assert not {"t", "u", "v"} & left(net("va"), "75%")


def test_what_is_excluded_stays() -> None:
    source = net("va")
    each = PruneLayers(share="30%", by="magnitude", exclude_nodes=("^ao$",))
    assert each(source).modified
    assert "t" in {str(value.name) for node in source.graph for value in node.outputs}


def test_the_last_layer_leaves_the_outputs_name() -> None:
    text = "g (float[N, 8] x) => (float[N, 8] y) { s = MatMul (x, v)  a = MatMul (s, w)  y = Add (s, a) }"
    source = model(text, v=weights(8, 8), w=weights(8, 8, seed=1))
    assert PruneLayers(share="60%", by="magnitude")(source).modified
    feeds = feeds_of(source, seed=1)
    assert np.allclose(run(source, feeds)["y"], feeds["x"] @ weights(8, 8), atol=1e-5)


def test_a_branch_that_somebody_else_reads_stays() -> None:
    text = """g (float[N, 8] x) => (float[N, 8] y, float[N, 8] z) {
        s = MatMul (x, v)  a = MatMul (s, w)  z = Relu (a)  t = Add (s, a)  y = MatMul (t, u)
    }"""
    source = model(text, v=weights(8, 8), w=weights(8, 8, seed=1), u=weights(8, 8, seed=2))
    assert not PruneLayers(share="90%", by="magnitude")(source).modified


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": "0%"}, "'0%' is not a share above 0% and below 100%"),
        ({"share": "10%", "budget": "time"}, "budget: 'time' is not one of macs, parameters"),
        ({"share": "10%", "by": "taylor"}, "by: 'taylor' is not one of reconstruction, magnitude"),
    ],
)
def test_options_that_are_none(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        PruneLayers(**options)
    assert str(caught.value) == said
