"""Constants that feed constants, and shapes that are computed."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


@awkward
def constant_branch() -> ir.Model:
    return model(
        """g (float[N,4] x) => (float[N,4] y) {
            a = Add(k, k)
            b = Mul(a, j)
            y = Add(x, b)
        }""",
        k=weights(4),
        j=weights(1),
    )


@awkward
def constant_output() -> ir.Model:
    """An output that no input reaches."""
    return model(
        "g (float[N,4] x) => (float[N,4] y, float[4] z) { y = Relu(x) \n z = Add(k, k) }",
        k=weights(4),
    )


@awkward
def constant_conv() -> ir.Model:
    """A convolution of constants, added to one that is none."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv(k, w)
            b = Conv(x, w)
            y = Add(b, a)
        }""",
        k=weights(1, 4, 6, 6),
        w=weights(4, 4, 3, 3),
    )


@awkward
def constant_branch_of_an_input() -> ir.Model:
    """Foldable but for the operand, which the caller may replace."""
    return model(
        "g (float[N,4] x, float[4] k) => (float[N,4] y) { a = Add(k, j) \n y = Add(x, a) }",
        k=weights(4),
        j=weights(4, seed=1),
    )


@awkward
def random_branch() -> ir.Model:
    """No inputs, and yet no constant; not part of what is compared."""
    return model(
        """g (float[4] x) => (int64[1] n) {
            r = RandomUniform<shape=[4], seed=1.0>()
            a = Add(r, x)
            n = Shape(a)
        }"""
    )


@awkward
def shape_of_a_known_value() -> ir.Model:
    return model(
        """g (float[2,3,4] x) => (float[2,12] y) {
            s = Shape(x)
            n = Gather(s, zero)
            l = Concat<axis=0>(n, minus)
            y = Reshape(x, l)
        }""",
        zero=np.array([0], np.int64),
        minus=np.array([-1], np.int64),
    )


@awkward
def shape_of_a_free_value() -> ir.Model:
    return model(
        """g (float[N,3,4] x) => (float[N,12] y) {
            s = Shape<start=0, end=-2>(x)
            l = Concat<axis=0>(s, minus)
            y = Reshape(x, l)
        }""",
        minus=np.array([-1], np.int64),
    )


@awkward
def shape_partly_known() -> ir.Model:
    return model("g (float[N,3,4] x) => (int64[2] y, int64[1] z) { y = Shape<start=1>(x) \n z = Shape<start=-1>(x) }")


@awkward
def large_expand() -> ir.Model:
    """Folding it would grow the file."""
    return model(
        """g (float[N,4] x) => (float[1] y) {
            e = Expand(k, big)
            a = ReduceSum<keepdims=0>(e)
            b = ReduceSum<keepdims=0>(x)
            c = Add(a, b)
            y = Unsqueeze(c, zero)
        }""",
        k=np.ones(1, np.float32),
        big=np.array([(1 << 24) + 1], np.int64),
        zero=np.array([0], np.int64),
    )


@awkward
def constant_of_a_point() -> ir.Model:
    """ConstantOfShape and Range feed a float branch."""
    return model(
        """g (float[2,4] x) => (float[2,4] y) {
            z = ConstantOfShape<value = float[1] {0.5}>(shape)
            r = Range(start, stop, step)
            a = Add(z, r)
            y = Mul(x, a)
        }""",
        shape=np.array([2, 4], np.int64),
        start=np.float32(0),
        stop=np.float32(4),
        step=np.float32(1),
    )


@awkward
def dropout_in_inference() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y) { a = Relu(x) \n d, m = Dropout(a) \n y = Sigmoid(d) }")


@awkward
def dropout_to_output() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y) { a = Relu(x) \n y = Dropout(a, ratio) }", ratio=np.float32(0.5))


@awkward
def dropout_whose_mask_is_read() -> ir.Model:
    return model(
        """g (float[N,4] x) => (float[N,4] y) {
            a = Relu(x)
            d, m = Dropout(a)
            f = Cast<to=1>(m)
            y = Add(d, f)
        }"""
    )


@awkward
def dropout_whose_mask_is_public() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y, bool[N,4] m) { a = Relu(x) \n y, m = Dropout(a) }")


@awkward
def dropout_told_not_to_train() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,4] y) { a = Relu(x) \n d = Dropout(a, ratio, no) \n y = Sigmoid(d) }",
        ratio=np.float32(0.5),
        no=np.array(False),
    )


@awkward
def dropout_told_by_the_caller() -> ir.Model:
    """Whether it trains is an input with a default."""
    return model(
        "g (float[N,4] x, bool no) => (float[N,4] y) { a = Relu(x) \n d = Dropout(a, ratio, no) \n y = Sigmoid(d) }",
        ratio=np.float32(0.5),
        no=np.array(False),
    )
