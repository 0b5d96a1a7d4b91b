"""A Reshape behind each Transpose that a channels-last convolution's own Transpose would meet."""

from __future__ import annotations

import numpy as np
import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run

from edgec.passes.lower.stop_transposes import StopTransposes

QDQ = "q{0} = QuantizeLinear({1}, s, z)\n {0} = DequantizeLinear(q{0}, s, z)\n"


def source(shape: str, nodes: str, **more: np.ndarray) -> object:
    """`nodes`, with `{Q:a}` for "a = DQ(Q(...))", before a convolution over four channels."""
    text = f"g (float[{shape}] x) => (float[N, C, H, W] y) {{ {nodes} \n {QDQ.format('e', 't')} y = Conv(e, w) }}"
    constants = {"s": np.float32(0.05), "z": np.int8(3), "w": weights(2, 4, 3, 1), **more}
    return model(text, **{name: array for name, array in constants.items() if name in text})


@pytest.mark.parametrize(
    ("shape", "nodes", "more"),
    [
        ("N, 8, 4, 9", "t = Transpose <perm = [0, 2, 1, 3]> (x)", {}),
        ("N, 9, 8, 4", "t = Transpose <perm = [0, 3, 2, 1]> (x)", {}),
        ("N, 8, 4", "a = Transpose <perm = [0, 2, 1]> (x)\n t = Unsqueeze(a, last)", {"last": np.int64([3])}),
        ("N, 8, 4, 9", "a = Transpose <perm = [0, 2, 1, 3]> (x)\n b = Relu(a)\n t = Add(b, one)", {"one": np.ones(1)}),
        ("N, 8, 4, 9", f"a = Transpose <perm = [0, 2, 1, 3]> (x)\n {QDQ.format('b', 'a')} t = Neg(b)", {}),
    ],
)
def test_a_transpose_is_stopped(shape: str, nodes: str, more: dict[str, np.ndarray]) -> None:
    made = source(shape, nodes, **{name: a.astype(np.float32) if a.dtype == float else a for name, a in more.items()})
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert StopTransposes()(made).modified
    transpose = next(node for node in made.graph if node.op_type == "Transpose")
    ((stop, _),) = transpose.outputs[0].uses()
    assert stop.op_type == "Reshape"
    assert stop.inputs[1].const_value.numpy().tolist() == [0] * len(transpose.outputs[0].shape)
    assert_same(before, run(made, feeds), tolerance=0)
    assert not StopTransposes()(made).modified


@pytest.mark.parametrize(
    ("shape", "nodes", "more"),
    [
        ("N, 8, 9, 4", "t = Transpose <perm = [0, 3, 1, 2]> (x)", {}),
        ("N, 8, 9, 4", "a = Transpose <perm = [0, 3, 1, 2]> (x)\n t = Relu(a)", {}),
        ("N, 4, 8, 9", "t = Relu(x)", {}),
        (
            "N, 8, 4, 9",
            "a = Transpose <perm = [0, 2, 1, 3]> (x)\n t = Reshape(a, same)",
            {"same": np.int64([0, 0, 0, 0])},
        ),
    ],
)
def test_others_are_left_alone(shape: str, nodes: str, more: dict[str, np.ndarray]) -> None:
    assert not StopTransposes()(source(shape, nodes, **more)).modified


def test_a_float_convolution_and_a_product_stop_nothing() -> None:
    text = """g (float[N, 8, 4, 9] x) => (float[N, C, H, W] y, float[N, 4, 8, 9] z) {
        t = Transpose <perm = [0, 2, 1, 3]> (x)
        y = Conv(t, w)
        z = MatMul(t, m)
    }"""
    assert not StopTransposes()(model(text, w=weights(2, 4, 3, 1), m=weights(9, 9))).modified
