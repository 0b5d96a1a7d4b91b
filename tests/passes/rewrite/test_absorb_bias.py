from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.recipes import measure_on
from support.state import signature, snapshot

from edgec.passes.edit import constant_array
from edgec.passes.rewrite.absorb_bias import AbsorbHighBias, absorbable, carried_over

HIGH = np.array([40, -3, 25, 0.5], np.float32)
EACH = AbsorbHighBias()


def bias_of(source: ir.Model, node: str) -> np.ndarray:
    found = next(each for each in source.graph if each.outputs[0].name == node)
    array = constant_array(found.inputs[2])
    assert array is not None
    return array


def observed(source: ir.Model) -> dict[str, np.ndarray]:
    feeds = feeds_of(source)
    if needs := EACH.needs(source):
        measure_on([feeds])(source, needs)
    return feeds


def absorbed(source: ir.Model) -> ir.Model:
    """The model after the pass, which keeps structure and function and does nothing twice."""
    promised, text = signature(source), graph_text(source)
    feeds = observed(source)
    before = run(source, feeds)
    assert EACH(source).modified
    assert signature(source) == promised
    assert graph_text(source).count("\n") == text.count("\n")
    assert_same(before, run(source, feeds))
    settled = snapshot(source)
    again = EACH(source).modified
    assert not again
    same = snapshot(source) == settled
    assert same
    return source


def minimum_of(source: ir.Model, value: str) -> np.ndarray:
    """Smallest value of every channel, by running the model with one more output."""
    probe = source.clone()
    probe.graph.outputs.append(next(v for node in probe.graph for v in node.outputs if v.name == value))
    array = run(probe, feeds_of(source))[value]
    low: np.ndarray = array.min(axis=tuple(k for k in range(array.ndim) if k != 1))
    return low


def test_the_observed_minimum_moves_into_the_next_bias() -> None:
    w1, w2, b2 = weights(4, 3, 3, 3), weights(5, 4, 3, 3, seed=1), weights(5, seed=2)
    source = model(
        "g (float[N,3,8,8] x) => (float[N,5,4,4] y) { a = Conv(x, w1, b1) \n r = Relu(a) \n y = Conv(r, w2, b2) }",
        w1=w1,
        b1=HIGH,
        w2=w2,
        b2=b2,
    )
    low = minimum_of(source, "a")
    assert (low > 0).tolist() == [True, False, True, False]
    absorbed(source)
    np.testing.assert_allclose(minimum_of(source, "a")[[0, 2]], 0, atol=1e-5)
    for k, c in enumerate(np.maximum(low, 0)):
        np.testing.assert_allclose(bias_of(source, "a")[k], HIGH[k] - c, rtol=1e-6)
    expected = [b2[o] + sum(w2[o, i].sum() * max(low[i], 0) for i in range(4)) for o in range(5)]
    np.testing.assert_allclose(bias_of(source, "y"), expected, rtol=1e-5)


CARRIED = {
    "two readers, one without a bias": "y = Conv(r, w2) \n z = Conv(r, w3, b2)",
    "means and a matrix": "p = AveragePool<kernel_shape=[2,2]>(r) \n m = ReduceMean<axes=[2,3]>(p) "
    "\n y = Conv(m, w4, b2) \n f = Flatten(m) \n z = Gemm<alpha=0.5>(f, w5)",
    "a flattened image": "y = Conv(r, w2) \n f = Flatten(r) \n z = Gemm<transB=1>(f, w6, b2)",
    "groups": "y = Conv<group=2>(r, w7) \n z = Conv<group=4>(r, w8, b3)",
}


@pytest.mark.parametrize("activation", ["Relu(a)", "LeakyRelu<alpha=0.1>(a)", "PRelu(a, slope)", "Clip(a, zero, top)"])
@pytest.mark.parametrize("readers", CARRIED.values(), ids=CARRIED)
def test_every_reader_gains(readers: str, activation: str) -> None:
    z = "float[N,C] z" if "Gemm" in readers else "float[N,C,H,W] z"
    source = model(
        f"g (float[N,3,6,6] x) => (float[N,C,H,W] y, {z}) {{ a = Conv(x, w1, b1) \n r = {activation} \n {readers} }}",
        w1=weights(4, 3, 3, 3),
        b1=HIGH,
        slope=np.full((4, 1, 1), 0.25, np.float32),
        zero=np.float32(0),
        top=np.float32(60),
        w2=weights(5, 4, 2, 2),
        w3=weights(5, 4, 3, 3),
        w4=weights(5, 4, 1, 1),
        w5=weights(4, 5),
        w6=weights(5, 64),
        w7=weights(6, 2, 2, 2),
        w8=weights(4, 1, 2, 2),
        b2=weights(5, seed=2),
        b3=weights(4, seed=3),
    )
    absorbed(source)


REFUSED = {
    "padding would not shrink": "r = Relu(a) \n y = Conv<pads=[1,1,1,1]>(r, w2)",
    "padding decided at run time": 'r = Relu(a) \n y = Conv<auto_pad="SAME_UPPER">(r, w2)',
    "padding in a mean": "r = Relu(a) \n p = AveragePool<kernel_shape=[2,2], pads=[1,1,0,0]>(r) \n y = Conv(p, w2)",
    "an activation that bends": "r = Tanh(a) \n y = Conv(r, w2)",
    "another reader": "r = Relu(a) \n t = Tanh(r) \n s = Add(r, t) \n y = Conv(s, w2)",
    "a floor above 0": "r = Clip(a, one) \n y = Conv(r, w2)",
    "a weight of two": "r = Relu(a) \n p = Conv(r, w2) \n q = Conv(r, w2) \n y = Add(p, q)",
    "a clamp below all that was seen": "r = Clip(a, zero, one) \n y = Conv(r, w2)",
}


@pytest.mark.parametrize("nodes", REFUSED.values(), ids=REFUSED)
def test_left_alone(nodes: str) -> None:
    source = model(
        f"g (float[N,3,8,8] x) => (float[N,4,H,W] y) {{ a = Conv(x, w1, b1) \n {nodes} }}",
        w1=weights(4, 3, 3, 3),
        b1=HIGH,
        w2=weights(4, 4, 2, 2),
        zero=np.float32(0),
        one=np.float32(1),
    )
    observed(source)
    state = snapshot(source)
    assert not EACH(source).modified
    same = snapshot(source) == state
    assert same


def test_a_public_value_keeps_its_numbers() -> None:
    for public in ("a", "r"):
        source = model(
            f"g (float[N,3,8,8] x) => (float[N,4,H,W] y, float[N,4,6,6] {public}) "
            "{ a = Conv(x, w1, b1) \n r = Relu(a) \n y = Conv(r, w2) }",
            w1=weights(4, 3, 3, 3),
            b1=HIGH,
            w2=weights(4, 4, 2, 2),
        )
        assert not EACH.needs(source)
        assert not EACH(source).modified


def test_the_arithmetic() -> None:
    low, high = np.array([2.0, -1.0, 3.0]), np.array([4.0, 5.0, 9.0])
    np.testing.assert_array_equal(absorbable(low, high, np.inf), [2, 0, 3])
    np.testing.assert_array_equal(absorbable(low, high, 6.0), [2, 0, 0])
    w = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
    np.testing.assert_array_equal(carried_over(w, np.array([[2.0, 0.0, 1.0]])), [2 * 1 + 9, 2 * 13 + 21])
