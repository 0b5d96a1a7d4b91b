from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import optimized_ops, run

from edgec.passes.codebook.float8 import pack_float8
from edgec.passes.codebook.round_float8 import RoundFloat8
from edgec.passes.edit import why_skipped
from edgec.passes.observe.statistics import Range, set_observation
from edgec.passes.weight_only.compact_weights import CompactWeights

# E4M3 by its definition: 2^-6 m/8 below, 2^(e-7) (1 + m/8) above; 0x7f is no number.
POSITIVE = np.array(
    [m / 8 * 2**-6 if e == 0 else (1 + m / 8) * 2.0 ** (e - 7) for e in range(16) for m in range(8)][:-1]
)
NUMBERS = np.unique(np.concatenate([-POSITIVE, POSITIVE]))


def nearest(x: np.ndarray) -> np.ndarray:
    """The distance to the nearest number of E4M3."""
    return np.abs(x.reshape(-1, 1) - NUMBERS).min(axis=1).reshape(x.shape)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 20), st.booleans(), st.integers(0, 99))
def test_codes_are_the_nearest_numbers(rows: int, columns: int, per_channel: bool, seed: int) -> None:
    w = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    w[0, 0] = 0
    packed = pack_float8(w, (1,), per_channel=per_channel)
    assert packed.scale.shape == ((rows, 1) if per_channel else ())
    shares = w / packed.scale
    np.testing.assert_allclose(np.abs(packed.codes.astype(np.float32) - shares), nearest(shares), atol=2e-5)
    assert np.abs(packed.codes.astype(np.float32)).max() == (448 if np.abs(w).max() else 0)


def test_nothing_and_next_to_nothing_have_scales() -> None:
    w = np.array([[0, 0], [1e-44, -1e-44]], np.float32)
    packed = pack_float8(w, (1,), per_channel=True)
    assert np.isfinite(packed.codes.astype(np.float32) * packed.scale).all()
    np.testing.assert_array_equal(packed.codes[0].astype(np.float32), 0)


def test_weights_take_a_byte_and_are_folded() -> None:
    source = model("g (float[N, 64] x) => (float[N, 96] y) { y = MatMul(x, w) }", opset=19, w=weights(64, 96))
    w = source.graph.initializers["w"].const_value.numpy()
    assert CompactWeights(dtype="float8e4m3fn")(source).modified
    codes = source.graph.initializers["w_quantized"].const_value
    assert (codes.dtype, codes.nbytes) == (ir.DataType.FLOAT8E4M3FN, 64 * 96)
    assert optimized_ops(source) == {"MatMul": 1}
    packed = pack_float8(w, (0,), per_channel=True)
    x = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    expected = x @ (packed.codes.astype(np.float32) * packed.scale)
    np.testing.assert_allclose(run(source, {"x": x}, optimize=True)["y"], expected, atol=1e-4)


def observed(source: ir.Model, names: Iterable[str], low: float = -3, high: float = 4) -> RoundFloat8:
    each = RoundFloat8()
    values = {v.name: v for v in (*source.graph.inputs, *(v for node in source.graph for v in node.outputs))}
    assert [need.value for need in each.needs(source)] == list(names)
    for need in each.needs(source):
        set_observation(values[need.value], need.statistic, Range(low=np.float32(low), high=np.float32(high)))
    return each


# What ONNX Runtime 1.31.1 takes for integers, and does not open or answers wrongly, where it is QuantizeLinear.
TAKEN = {
    "Conv, Relu, Conv": (
        """g (float[1, 8, 6, 6] x) => (float[1, 8, 2, 2] y) {
            a = Conv(x, k)
            b = Relu(a)
            y = Conv(b, k)
        }""",
        "xb",
    ),
    "Gemm, Relu, MatMul": (
        "g (float[4, 64] x) => (float[4, 64] y) { a = Gemm(x, w) b = Relu(a) y = MatMul(b, w) }",
        "xb",
    ),
    "two activations": (
        "g (float[4, 64] x) => (float[4, 4] y) { a = Transpose <perm = [1, 0]> (x) y = MatMul(x, a) }",
        "xa",
    ),
}


@pytest.mark.parametrize(("text", "names"), TAKEN.values(), ids=TAKEN)
def test_activations_are_rounded_where_integers_would_be_seen(text: str, names: str) -> None:
    source = model(text, opset=19, w=weights(64, 64, scale=0.1), k=weights(8, 8, 3, 3, scale=0.1))
    each = observed(source, names)
    plain = run(source, {"x": sample(source)})
    assert each(source).modified
    assert not each(source).modified
    assert optimized_ops(source)["Cast"] == 2 * len(names)
    answers = [run(source, {"x": sample(source)}, optimize=optimize)["y"] for optimize in (True, False)]
    np.testing.assert_allclose(*answers, atol=1e-4)
    lost = np.abs(answers[0] - plain["y"]).mean() / plain["y"].std()
    assert 0 < lost < 0.06


def sample(source: ir.Model) -> np.ndarray:
    shape = [int(dim) for dim in source.graph.inputs[0].shape]
    return np.clip(np.random.default_rng(0).standard_normal(shape), -3, 4).astype(np.float32)


def test_rounding_is_to_the_nearest_and_saturates() -> None:
    source = model("g (float[N, 4] x) => (float[N, 4] y) { y = MatMul(x, w) }", opset=19, w=np.eye(4, dtype=np.float32))
    assert observed(source, "x", low=-1, high=2)(source).modified
    x = np.array([[0.3, -0.71, 1.99, 5.0], [-9.0, 0.0, 2.0, 1e-4]], np.float32)
    scale = np.float32(2 / 448)
    got = run(source, {"x": x}, optimize=True)["y"] / scale
    np.testing.assert_allclose(
        np.abs(got - np.clip(x / scale, -448, 448)), nearest(np.clip(x / scale, -448, 448)), atol=1e-4
    )


def test_what_is_not_finite_stays_and_says_so() -> None:
    source = model("g (float[N, 64] x) => (float[N, 64] y) { y = MatMul(x, w) }", opset=19, w=weights(64, 64))
    assert not observed(source, "x", high=np.inf)(source).modified
    assert why_skipped(source.graph[0]) == "reads values that are not finite: they are not rounded"
