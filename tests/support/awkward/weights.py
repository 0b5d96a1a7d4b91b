"""Weights that are not what they seem: replaceable, public, computed, dead."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


@awkward
def conv_weight_is_an_input() -> ir.Model:
    """An initializer that is a graph input too: the caller may replace it."""
    return model(
        "g (float[N,4,6,6] x, float[4,4,3,3] w) => (float[N,4,4,4] y) { a = Conv(x, w) \n y = Relu(a) }",
        w=weights(4, 4, 3, 3),
    )


@awkward
def gemm_weight_is_an_input() -> ir.Model:
    return model(
        "g (float[N,4] x, float[4,3] w, float[3] b) => (float[N,3] y) { y = Gemm(x, w, b) }",
        w=weights(4, 3),
        b=weights(3),
    )


@awkward
def matmul_weight_is_an_input() -> ir.Model:
    return model(
        "g (float[N,4] x, float[4,3] w) => (float[N,3] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        w=weights(4, 3),
        b=weights(3),
    )


@awkward
def bias_is_an_input() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x, float[4] b) => (float[N,4,4,4] y) { y = Conv(x, w, b) }",
        w=weights(4, 4, 3, 3),
        b=weights(4),
    )


@awkward
def added_bias_is_an_input() -> ir.Model:
    return model(
        "g (float[N,4] x, float[3] b) => (float[N,3] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        w=weights(4, 3),
        b=weights(3),
    )


@awkward
def addend_is_an_input() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x, float[1,4,1,1] k) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Add(a, k)
            y = Conv(s, w)
        }""",
        w=weights(4, 4, 3, 3),
        k=weights(1, 4, 1, 1),
    )


@awkward
def weight_is_fed() -> ir.Model:
    """The weight is an input without any default."""
    return model("g (float[N,4,6,6] x, float[4,4,3,3] w) => (float[N,4,4,4] y) { y = Conv(x, w) }")


@awkward
def weight_is_public() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y, float[4,4,3,3] w) { y = Conv(x, w) }", w=weights(4, 4, 3, 3)
    )


@awkward
def gemm_weight_is_public() -> ir.Model:
    return model("g (float[N,16] x) => (float[N,16] y, float[16,16] w) { y = Gemm(x, w) }", w=weights(16, 16))


@awkward
def weight_is_computed() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x, float[4,4,3,3] v) => (float[N,4,4,4] y) { w = Tanh(v) \n y = Conv(x, w, b) }",
        b=weights(4),
    )


@awkward
def weight_is_computed_from_constants() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { w = Mul(v, s) \n y = Conv(x, w, b) }",
        v=weights(4, 4, 3, 3),
        s=weights(4, 1, 1, 1),
        b=weights(4),
    )


@awkward
def weight_is_a_constant_node() -> ir.Model:
    return model(
        """g (float[N,2] x) => (float[N,2] y) {
            w = Constant<value = float[2,2] {1.0, -2.0, 0.5, 3.0}>()
            y = Gemm(x, w)
        }"""
    )


@awkward
def bias_is_computed() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x, float[4] c) => (float[N,4,4,4] y) { b = Mul(c, c) \n y = Conv(x, w, b) }",
        w=weights(4, 4, 3, 3),
    )


@awkward
def gemm_bias_is_computed() -> ir.Model:
    return model(
        "g (float[N,4] x, float[3] c) => (float[N,3] y) { b = Mul(c, c) \n y = Gemm(x, w, b) }",
        w=weights(4, 3),
    )


@awkward
def dead_channel_with_a_bias() -> ir.Model:
    """Channel 1 has no weights, channel 2 next to none; both have ordinary biases."""
    w = weights(4, 4, 3, 3)
    w[1] = 0
    w[2] *= 1e-12
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,2,2] y) { a = Conv(x, w, b) \n y = Conv(a, v) }",
        w=w,
        b=np.array([0.1, 3.0, -250.0, 1e-3], np.float32),
        v=weights(4, 4, 3, 3, seed=1),
    )


@awkward
def all_weights_zero() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,3] y) { a = Gemm(x, w, b) \n y = Gemm(a, v) }",
        w=np.zeros((4, 3), np.float32),
        b=np.array([1, -2, 3], np.float32),
        v=weights(3, 3),
    )


@awkward
def huge_bias() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,3] y) { y = Gemm(x, w, b) }",
        w=weights(4, 3, scale=1e-4),
        b=np.array([1e5, -2e6, 3], np.float32),
    )


@awkward
def depthwise_between_convs() -> ir.Model:
    """What `AlignChannels` widens: 6 channels, clamped before and behind."""
    return model(
        """g (float[N,3,6,6] x) => (float[N,5,6,6] y) {
            a = Conv(x, w, b)
            r = Relu(a)
            d = Conv<group=6, pads=[1,1,1,1]>(r, v, c)
            q = Clip(d, zero, six)
            y = Conv(q, u)
        }""",
        w=weights(6, 3, 1, 1),
        b=weights(6),
        v=weights(6, 1, 3, 3),
        c=weights(6, seed=1),
        u=weights(5, 6, 1, 1),
        zero=np.float32(0),
        six=np.float32(6),
    )


@awkward
def depthwise_with_shared_weights() -> ir.Model:
    """The same six-channel block twice over the same constants."""
    return model(
        """g (float[N,6,6,6] x) => (float[N,6,6,6] y) {
            a = Conv(x, w, b)
            d = Conv<group=6, pads=[1,1,1,1]>(a, v, b)
            e = Conv(d, w, b)
            f = Conv<group=6, pads=[1,1,1,1]>(e, v, b)
            y = Conv(f, w, b)
        }""",
        w=weights(6, 6, 1, 1),
        b=weights(6),
        v=weights(6, 1, 3, 3),
    )


@awkward
def depthwise_output_clamped_above_zero() -> ir.Model:
    """A clamp that does not keep 0: widened channels would carry 0.5."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,5,6,6] y) {
            a = Conv(x, w)
            d = Conv<group=6, pads=[1,1,1,1]>(a, v)
            q = Clip(d, low, high)
            y = Conv(q, u)
        }""",
        w=weights(6, 4, 1, 1),
        v=weights(6, 1, 3, 3),
        u=weights(5, 6, 1, 1),
        low=np.float32(0.5),
        high=np.float32(6),
    )


@awkward
def depthwise_read_twice() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,5,6,6] y, float[N,6,6,6] z) {
            a = Conv(x, w)
            d = Conv<group=6, pads=[1,1,1,1]>(a, v)
            y = Conv(d, u)
            z = Tanh(d)
        }""",
        w=weights(6, 4, 1, 1),
        v=weights(6, 1, 3, 3),
        u=weights(5, 6, 1, 1),
    )


@awkward
def depthwise_multiplier() -> ir.Model:
    """Two output channels for each input channel."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
            a = Conv(x, w)
            d = Conv<group=4, pads=[1,1,1,1]>(a, v, b)
            y = Conv(d, u)
        }""",
        w=weights(4, 4, 1, 1),
        v=weights(8, 1, 3, 3),
        b=weights(8),
        u=weights(4, 8, 1, 1),
    )


@awkward
def grouped_conv() -> ir.Model:
    return model(
        "g (float[N,6,6,6] x) => (float[N,4,4,4] y) { y = Conv<group=2>(x, w, b) }", w=weights(4, 3, 3, 3), b=weights(4)
    )


@awkward
def channels_last_stem() -> ir.Model:
    return model(
        """g (float[N,6,6,3] x) => (float[N,4,4,4] y) {
            t = Transpose<perm=[0,3,1,2]>(x)
            y = Conv(t, w)
        }""",
        w=weights(4, 3, 3, 3),
    )


@awkward
def one_input_two_stems() -> ir.Model:
    return model(
        """g (float[N,3,6,6] x) => (float[N,4,4,4] y) {
            a = Conv(x, w)
            b = Conv(x, v)
            s = Add(a, b)
            y = Relu(s)
        }""",
        w=weights(4, 3, 3, 3),
        v=weights(4, 3, 3, 3, seed=1),
    )


@awkward
def conv_1d() -> ir.Model:
    return model(
        "g (float[N,3,12] x) => (float[N,5,8] y) { a = Conv(x, w, b) \n y = Conv(a, v) }",
        w=weights(4, 3, 3),
        b=weights(4),
        v=weights(5, 4, 3),
    )


@awkward
def conv_3d() -> ir.Model:
    return model(
        "g (float[N,2,4,4,4] x) => (float[N,3,2,2,2] y) { y = Conv(x, w, b) }", w=weights(3, 2, 3, 3, 3), b=weights(3)
    )


@awkward
def conv_same_padding() -> ir.Model:
    return model(
        """g (float[N,4,5,5] x) => (float[N,4,3,3] y) {
            y = Conv<auto_pad="SAME_UPPER", strides=[2,2]>(x, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def conv_bias_left_out() -> ir.Model:
    """The optional bias is named empty."""
    return model(
        'g (float[N,4,6,6] x) => (float[N,4,4,4] y) { a = Conv(x, w, "") \n y = BatchNormalization(a, s, b, m, v) }',
        w=weights(4, 4, 3, 3),
        s=weights(4),
        b=weights(4, seed=1),
        m=weights(4, seed=2),
        v=np.abs(weights(4, seed=3)),
    )


@awkward
def pointwise_conv_on_a_pixel() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,5,1,1] y) {
            p = GlobalAveragePool(x)
            a = Conv<strides=[2,2], auto_pad="SAME_UPPER">(p, w, b)
            y = Relu(a)
        }""",
        w=weights(5, 4, 1, 1),
        b=weights(5),
    )


@awkward
def pointwise_conv_on_a_pixel_shared() -> ir.Model:
    """Two pointwise heads read one weight, one of them also a bias that is public."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,1,1] y, float[4] b) {
            p = GlobalAveragePool(x)
            a = Conv(p, w, b)
            y = Conv(a, w, "")
        }""",
        w=weights(4, 4, 1, 1),
        b=weights(4),
    )
