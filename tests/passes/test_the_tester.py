"""The comparison the numeric tests rest on must be able to say no."""

from __future__ import annotations

import numpy as np
import pytest
from support.graphs import feeds_of, model, weights
from support.kernels import orphans
from support.numerics import assert_same, assert_within, run
from support.recipes import compiled

X = weights(2, 3, 4)
OUTPUTS = {"y": X, "z": weights(2, 3, 4, seed=1)}


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array.flat[7] = value
    return array


WRONG = {
    "scaled": {**OUTPUTS, "y": X * np.float32(1.01)},
    "zeros": {**OUTPUTS, "y": np.zeros_like(X)},
    "one NaN": {**OUTPUTS, "y": spoiled(X, np.nan)},
    "one infinity": {**OUTPUTS, "y": spoiled(X, np.inf)},
    "one element off": {**OUTPUTS, "y": spoiled(X, X.flat[7] + 0.01)},
    "outputs swapped": {"y": OUTPUTS["z"], "z": OUTPUTS["y"]},
    "names swapped": {"z": OUTPUTS["y"], "y": OUTPUTS["z"]},
    "order changed": {"z": OUTPUTS["z"], "y": OUTPUTS["y"]},
    "an output missing": {"y": X},
    "an output more": {**OUTPUTS, "w": X},
    "wider": {**OUTPUTS, "y": X.astype(np.float64)},
    "flat": {**OUTPUTS, "y": X.reshape(-1)},
    "one more dimension": {**OUTPUTS, "y": X[None]},
    "transposed": {**OUTPUTS, "y": np.ascontiguousarray(X[:, ::-1])},
}


@pytest.mark.parametrize("name", WRONG)
def test_it_rejects(name: str) -> None:
    with pytest.raises(AssertionError):
        assert_same(OUTPUTS, WRONG[name])


def test_it_accepts_rounding() -> None:
    assert_same(OUTPUTS, {name: array * np.float32(1 + 1e-6) for name, array in OUTPUTS.items()})


def test_it_accepts_infinities_that_agree() -> None:
    both = {"y": np.array([np.inf, -np.inf, 1], np.float32)}
    assert_same(both, dict(both))


def test_it_rejects_infinities_of_other_sign() -> None:
    x = np.array([np.inf, 1], np.float32)
    with pytest.raises(AssertionError):
        assert_same({"y": x}, {"y": np.array([-np.inf, 1], np.float32)})


def test_integers_must_be_equal() -> None:
    x = np.arange(6)
    assert_same({"y": x}, {"y": x.copy()})
    with pytest.raises(AssertionError):
        assert_same({"y": x}, {"y": x + (x == 3)})


def test_the_limit_is_absolute_and_per_element() -> None:
    assert_within(X, X + np.float32(0.009), 0.01)
    with pytest.raises(AssertionError):
        assert_within(X, X + np.float32(0.011), 0.01)


def test_it_sees_another_graph() -> None:
    """End to end: two models that differ by one weight."""
    text = "g (float[N,4] x) => (float[N,3] y) { y = Gemm(x, w) }"
    source, other = model(text, w=weights(4, 3)), model(text, w=spoiled(weights(4, 3), 0.4))
    feeds = feeds_of(source)
    assert_same(run(source, feeds), run(model(text, w=weights(4, 3)), feeds))
    with pytest.raises(AssertionError):
        assert_same(run(source, feeds), run(other, feeds))


def test_orphans_are_seen() -> None:
    source = model("g (float[N,4] x) => (float[N,3] y) { y = Gemm(x, w) }", w=weights(4, 3))
    shipped = compiled(source, "a8w8", [feeds_of(source)])
    assert orphans(shipped) == []
    dq = next(node for node in shipped.graph if node.outputs[0].name == "x_DequantizeLinear_Output")
    gemm = next(node for node in shipped.graph if node.op_type == "Gemm")
    gemm.replace_input_with(0, shipped.graph.inputs[0])
    assert orphans(shipped) == [f"nobody reads {dq.outputs[0].name}"]
