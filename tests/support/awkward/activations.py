"""Clamps with missing or odd bounds, and activations around integer kernels."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


def _conv_clamp_conv(clamp: str, **constants: np.ndarray) -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { a = Conv<pads=[1,1,1,1]>(x, w) \n "
        + clamp
        + " \n y = Conv(r, w) }",
        w=weights(4, 4, 3, 3),
        **constants,
    )


@awkward
def clip_without_min() -> ir.Model:
    return _conv_clamp_conv('r = Clip(a, "", high)', high=np.float32(1.5))


@awkward
def clip_without_max() -> ir.Model:
    return _conv_clamp_conv("r = Clip(a, low)", low=np.float32(-0.5))


@awkward
def clip_without_bounds() -> ir.Model:
    return _conv_clamp_conv("r = Clip(a)")


@awkward
def clip_with_empty_bounds() -> ir.Model:
    return _conv_clamp_conv('r = Clip(a, "", "")')


@awkward
def clip_of_rank_one_bounds() -> ir.Model:
    """Bounds of shape [1], which ONNX Runtime takes and exporters write."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Clip(a, low, high)
            y = Conv(r, w)
        }""",
        infer=False,
        w=weights(4, 4, 3, 3),
        low=np.array([0], np.float32),
        high=np.array([2], np.float32),
    )


@awkward
def clip_away_from_zero() -> ir.Model:
    """All that passes is above 1: zero is not in the clamp's range."""
    return _conv_clamp_conv("r = Clip(a, low, high)", low=np.float32(1), high=np.float32(2))


@awkward
def clip_below_zero() -> ir.Model:
    return _conv_clamp_conv("r = Clip(a, low, high)", low=np.float32(-2), high=np.float32(-1))


@awkward
def clip_of_an_empty_range() -> ir.Model:
    """Bounds the wrong way round: everything becomes the maximum."""
    return _conv_clamp_conv("r = Clip(a, low, high)", low=np.float32(2), high=np.float32(1))


@awkward
def clip_by_a_fed_bound() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x, float high) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Clip(a, "", high)
            y = Conv(r, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def clip_by_a_conv_output() -> ir.Model:
    """The only reader of a value reads it as a bound, not as what is clamped."""
    return model(
        """g (float[1,4,6,6] x) => (float[1,4,4,4] y) {
            p = GlobalAveragePool(x)
            a = Conv(p, v)
            b = Squeeze(a)
            r = Clip(x, b)
            y = Conv(r, w)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(1, 4, 1, 1),
    )


@awkward
def relu_of_relu() -> ir.Model:
    return _conv_clamp_conv(
        "b = Relu(a) \n c = Clip(b, low, high) \n r = Relu(c)", low=np.float32(0), high=np.float32(6)
    )


@awkward
def relu_of_an_input() -> ir.Model:
    return model("g (float[N,4,6,6] x) => (float[N,4,4,4] y) { r = Relu(x) \n y = Conv(r, w) }", w=weights(4, 4, 3, 3))


@awkward
def relu_of_zero() -> ir.Model:
    """Never above zero: the range has no width."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            s = Mul(x, x)
            n = Neg(s)
            r = Relu(n)
            y = Conv(r, w, b)
        }""",
        w=weights(4, 4, 3, 3),
        b=weights(4),
    )


@awkward
def add_then_relu_then_float() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            b = Conv<pads=[1,1,1,1]>(a, w)
            s = Add(a, b)
            r = Relu(s)
            y = Tanh(r)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def sigmoid_gate() -> ir.Model:
    """Squeeze-and-excite."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = GlobalAveragePool(a)
            h = Conv(p, v)
            g0 = Sigmoid(h)
            s = Mul(a, g0)
            y = Conv(s, w)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 4, 1, 1),
    )


@awkward
def add_of_a_scalar() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Add(three, a)
            t = Mul(s, per_channel)
            y = Conv(t, w)
        }""",
        w=weights(4, 4, 3, 3),
        three=np.float32(3),
        per_channel=weights(1, 4, 1, 1),
    )


@awkward
def add_broadcasts_both() -> ir.Model:
    return model(
        """g (float[1,4,6,6] x) => (float[1,4,6,6] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            b = GlobalAveragePool(a)
            s = Add(b, a)
            y = Conv<pads=[1,1,1,1]>(s, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def average_pool_counts_padding() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(a)
            q = AveragePool<kernel_shape=[2,2], pads=[0,0,1,1], ceil_mode=1>(p)
            y = Conv(q, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def max_pool_with_indices() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,2,2] y, int64[N,4,4,4] i) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p, i = MaxPool<kernel_shape=[3,3]>(a)
            y = Conv(p, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def split_between_convs() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            b, c = Split<axis=1>(a)
            s = Concat<axis=1>(c, b)
            y = Conv(s, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def leaky_relu_and_prelu() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,2,2] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            l = LeakyRelu<alpha=0.2>(a)
            b = Conv(l, w)
            p = PRelu(b, slope)
            y = Conv(p, w)
        }""",
        w=weights(4, 4, 3, 3),
        slope=np.full((4, 1, 1), 0.25, np.float32),
    )


@awkward
def contrib_operator() -> ir.Model:
    """A node of another domain between two convolutions, and one that shares an ONNX operator's name."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = com.microsoft.Gelu(a)
            y = Conv(r, w)
        }""",
        domains='"com.microsoft": 1',
        infer=False,
        w=weights(4, 4, 3, 3),
    )


@awkward
def contrib_conv() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = com.microsoft.FusedConv<activation="Relu", pads=[1,1,1,1]>(x, w)
            y = Conv(a, w)
        }""",
        domains='"com.microsoft": 1',
        infer=False,
        w=weights(4, 4, 3, 3),
    )


@awkward
def clip_of_equal_halves() -> ir.Model:
    """Clip(-1, 1): the range is 255 steps wide, and 0 lies half a step off their middle."""
    return _conv_clamp_conv("r = Clip(a, low, high)", low=np.float32(-1), high=np.float32(1))


@awkward
def clip_of_clip() -> ir.Model:
    return _conv_clamp_conv(
        "b = Clip(a, low, high) \n r = Clip(b, lower, higher)",
        low=np.float32(-1),
        high=np.float32(1),
        lower=np.float32(-0.5),
        higher=np.float32(0.25),
    )


@awkward
def clip_of_sigmoid() -> ir.Model:
    """A clamp inside a range that is fixed by definition."""
    return _conv_clamp_conv("s = Sigmoid(a) \n r = Clip(s, low, high)", low=np.float32(0.25), high=np.float32(0.5))


@awkward
def concat_of_a_relu_and_none() -> ir.Model:
    """One operand has negative values: with shared params the other's Relu would not be absorbed."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            b = Conv<pads=[1,1,1,1]>(x, u)
            s = Concat<axis=1>(r, b)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        u=weights(4, 4, 3, 3, seed=1),
        v=weights(4, 8, 3, 3),
    )


@awkward
def concat_of_two_relus() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            b = Conv<pads=[1,1,1,1]>(x, u)
            q = Relu(b)
            s = Concat<axis=1>(r, q)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        u=weights(4, 4, 3, 3, seed=1),
        v=weights(4, 8, 3, 3),
    )


@awkward
def concat_of_concat_of_clamps() -> ir.Model:
    """The outer Concat's range decides for the operands of the inner one."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Clip(a, zero, six)
            b = Conv<pads=[1,1,1,1]>(x, u)
            q = Clip(b, zero, six)
            s = Concat<axis=1>(r, q)
            c = Conv<pads=[1,1,1,1]>(x, k)
            t = Concat<axis=1>(s, c)
            y = Conv(t, v)
        }""",
        w=weights(4, 4, 3, 3, scale=4),
        u=weights(4, 4, 3, 3, seed=1),
        k=weights(4, 4, 3, 3, seed=2),
        v=weights(4, 12, 3, 3),
        zero=np.float32(0),
        six=np.float32(6),
    )


@awkward
def dilated_average_pool() -> ir.Model:
    """Between integers ONNX Runtime makes an invalid QLinearAveragePool of it."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,3,3] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = AveragePool<kernel_shape=[2,2], dilations=[2,2]>(a)
            t = Transpose<perm=[0,1,3,2]>(p)
            m = MaxPool<kernel_shape=[2,2], pads=[1,1,1,1]>(t)
            y = Conv(m, w)
        }""",
        opset=19,
        w=weights(4, 4, 3, 3),
    )


@awkward
def softmax_between_convs() -> ir.Model:
    """No rule covers Softmax; ONNX Runtime makes it an integer kernel all the same."""
    return _conv_clamp_conv("r = Softmax<axis=1>(a)")


@awkward
def where_between_convs() -> ir.Model:
    return _conv_clamp_conv("b = Conv<pads=[1,1,1,1]>(x, w) \n c = Greater(x, b) \n r = Where(c, a, b)")
