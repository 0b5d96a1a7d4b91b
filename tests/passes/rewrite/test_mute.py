from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, graph_text, model, weights
from support.numerics import assert_same, run
from support.state import snapshot

from edgec.passes.edit import constant_array
from edgec.passes.rewrite.mute import MuteChannels, never_fires


def weight_of(source: ir.Model, node: str) -> np.ndarray:
    array = constant_array(next(each for each in source.graph if each.name == node).inputs[1])
    assert array is not None
    return array


def decayed(*shape: int, seed: int = 0) -> np.ndarray:
    """Weights whose channels 1 and 2 decayed to nothing."""
    w = weights(*shape, seed=seed)
    w[1], w[2] = 1e-30, 0.0
    return w


B = np.array([-1.0, -0.5, 0.5, 1.0], np.float32)


def chain(between: str = "r = Relu(a)", *, outputs: str = "", **constants: np.ndarray) -> ir.Model:
    known = {"w1": decayed(4, 3, 3, 3), "b1": B, "w2": weights(4, 1, 3, 3, seed=1, scale=9.0), "six": np.float32(6)}
    return model(
        f"g (float[N,3,8,8] x) => (float[N,4,6,6] y{outputs}) "
        f"{{ a = Conv<pads=[1,1,1,1]>(x, w1, b1) \n {between} \n y = Conv<group=4>(r, w2) }}",
        **(known | {"low": np.float32(0)} | constants),
    )


def test_by_hand() -> None:
    w = np.array([[[[1e-6, -1e-6]]], [[[1e-6, 1e-6]]], [[[1e-6, 0]]], [[[0, 0]]]], np.float32).reshape(1, 4, 1, 2)
    # 2e-6 * 32768 = 0.0655
    b = np.array([-0.065, -0.066, 1.0, 0.0], np.float32)
    assert never_fires(w, b).tolist() == [False, True, False, True]


@pytest.mark.parametrize("between", ["r = Relu(a)", "r = Clip(a, low, six)", "r = Clip(a, low)"])
def test_what_reads_a_channel_that_never_fires_is_zeroed(between: str) -> None:
    """Channel 1 has a negative bias and is mute; channel 2 is constant, and keeps its reader."""
    source = chain(between)
    feeds, old = feeds_of(source), np.array(weight_of(source, "y"))
    before = run(source, feeds)
    assert MuteChannels()(source).modified
    new = weight_of(source, "y")
    assert not new[1].any()
    np.testing.assert_array_equal(np.delete(new, 1, 0), np.delete(old, 1, 0))
    assert_same(before, run(source, feeds), tolerance=0)
    assert not MuteChannels()(source).modified


def test_every_kind_of_reader_beside_one_that_keeps_its_input() -> None:
    source = model(
        """g (float[N,4] x) => (float[N,5] y, float[N,5] z, float[N,4] t) {
            a = Gemm<transB=1>(x, w1, b1)
            r = Relu(a)
            y = Gemm(r, w2)
            z = MatMul(r, w3)
            t = Tanh(r)
        }""",
        w1=decayed(4, 4),
        b1=B,
        w2=weights(4, 5, seed=1),
        w3=weights(4, 5, seed=2),
    )
    feeds = feeds_of(source)
    before = run(source, feeds)
    assert MuteChannels()(source).modified
    for name in "yz":
        assert not weight_of(source, name)[1].any()
        assert np.delete(weight_of(source, name), 1, 0).all()
    assert_same(before, run(source, feeds), tolerance=0)


STAYS = {
    "no clamp": chain("r = LeakyRelu(a)"),
    "a clamp from below 0": chain("r = Clip(a, low, six)", low=np.float32(-1)),
    "a positive bias": chain(b1=np.abs(B)),
    "read before the clamp": chain("r0 = Relu(a) \n r = Add(r0, a)"),
    "weights that may yet add up": chain(w1=weights(4, 3, 3, 3, scale=1e-5)),
    "no reader that multiplies": chain("r0 = Relu(a) \n r = Sigmoid(r0)"),
    "a scaled bias": model(
        "g (float[N,4] x) => (float[N,5] y) { a = Gemm<beta=-1.0>(x, w1, b1) \n r = Relu(a) \n y = MatMul(r, w2) }",
        w1=decayed(4, 4).T.copy(),
        b1=B,
        w2=weights(4, 5),
    ),
}


@pytest.mark.parametrize("source", STAYS.values(), ids=STAYS)
def test_left_alone(source: ir.Model) -> None:
    state, text = snapshot(source), graph_text(source)
    assert not MuteChannels()(source).modified
    assert graph_text(source) == text
    same = snapshot(source) == state
    assert same


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_no_input_up_to_the_limit_wakes_a_mute_channel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((2, 3, 4, 5)) * 10.0 ** rng.uniform(-8, -4, (2, 3, 1, 1))
    b = -(10.0 ** rng.uniform(-3, 1, 6))
    mute = never_fires(w, b)
    x = 2.0**15 * np.sign(w)  # the worst input of each channel
    worst = (w * x).sum(axis=(2, 3)).reshape(-1) + b
    np.testing.assert_array_equal(mute, worst <= 0.0)
