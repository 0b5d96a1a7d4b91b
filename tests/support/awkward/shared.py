"""One value, many readers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


@awkward
def tied_weight_of_two_gemms() -> ir.Model:
    return model(
        "g (float[N,8] x) => (float[N,8] y) { a = Gemm<transB=1>(x, w, b) \n y = Gemm<transB=1>(a, w, b) }",
        w=weights(8, 8),
        b=weights(8, seed=1),
    )


@awkward
def tied_weight_with_two_axes() -> ir.Model:
    """Output channels lie on axis 0 for one reader and on axis 1 for the other."""
    return model(
        "g (float[N,8] x) => (float[N,8] y) { a = Gemm<transB=1>(x, w) \n b = Gemm(a, w) \n y = MatMul(b, w) }",
        w=weights(8, 8) * np.linspace(0.1, 3, 8, dtype=np.float32),
    )


@awkward
def tied_weight_of_two_convs() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
            a = Conv<pads=[1,1,1,1]>(x, w, b)
            r = Relu(a)
            y = Conv<pads=[1,1,1,1]>(r, w, c)
        }""",
        w=weights(4, 4, 3, 3),
        b=weights(4, seed=1),
        c=weights(4, seed=2, scale=20),
    )


@awkward
def tied_weight_of_conv_and_conv_transpose() -> ir.Model:
    return model(
        "g (float[N,4,5,5] x) => (float[N,4,5,5] y) { a = Conv(x, w) \n y = ConvTranspose(a, w) }",
        w=weights(4, 4, 3, 3),
    )


@awkward
def weight_also_added() -> ir.Model:
    """The weight is a plain operand of another node too."""
    return model(
        "g (float[4,4] x) => (float[4,4] y) { a = Gemm(x, w) \n y = Add(a, w) }",
        w=weights(4, 4),
    )


@awkward
def bias_also_added() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y, float[4] d) { y = Conv(x, w, b) \n d = Add(b, b) }",
        w=weights(4, 4, 3, 3),
        b=weights(4),
    )


@awkward
def one_bias_two_scales() -> ir.Model:
    """Two convolutions share a bias, but not the scale it is stored at."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w, b)
            y = Conv(a, v, b)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 4, 3, 3, seed=1, scale=5),
        b=weights(4),
    )


@awkward
def conv_output_read_twice() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            s = Sigmoid(a)
            y = Mul(r, s)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def conv_output_read_by_conv_and_float() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y, float[N,4,6,6] z) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            y = Conv<pads=[1,1,1,1]>(a, w)
            z = Tanh(a)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def relu_read_twice() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y, float[N,4,6,6] z) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            y = Conv<pads=[1,1,1,1]>(r, w)
            z = Tanh(r)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def add_x_x() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Add(a, a)
            y = Conv(s, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def mul_x_x_of_an_input() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { s = Mul(x, x) \n y = Conv(s, w) }", w=weights(4, 4, 3, 3)
    )


@awkward
def concat_x_x() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Concat<axis=1>(a, a)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 8, 3, 3),
    )


@awkward
def matmul_x_x() -> ir.Model:
    return model("g (float[2,4,4] x) => (float[2,4,4] y) { a = MatMul(x, w) \n y = MatMul(a, a) }", w=weights(4, 4))


@awkward
def concat_of_a_graph_input() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Concat<axis=1>(a, x)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 8, 3, 3),
    )


@awkward
def concat_of_concat() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            b = Conv<pads=[1,1,1,1]>(a, w)
            s = Concat<axis=1>(a, b)
            t = Concat<axis=1>(s, b)
            y = Conv(t, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 12, 3, 3),
    )


@awkward
def concat_of_moved_values() -> ir.Model:
    """Operands of the Concat carry the params of what they were moved from."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,2,2] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            p = MaxPool<kernel_shape=[3,3]>(a)
            b = Conv(a, w)
            q = MaxPool<kernel_shape=[1,1]>(b)
            s = Concat<axis=1>(p, q)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 8, 3, 3),
    )


@awkward
def concat_with_a_constant() -> ir.Model:
    return model(
        """g (float[2,4,6,6] x) => (float[2,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Concat<axis=1>(a, k)
            y = Conv(s, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(4, 6, 3, 3),
        k=weights(2, 2, 6, 6),
    )


@awkward
def residual_of_the_input() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            s = Add(x, a)
            r = Relu(s)
            y = Conv(r, w)
        }""",
        w=weights(4, 4, 3, 3),
    )
