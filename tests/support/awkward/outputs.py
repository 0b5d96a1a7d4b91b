"""Values the caller sees: outputs used inside, inputs handed out again, dead code."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


@awkward
def conv_output_is_public_and_read() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] a, float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            y = Conv(a, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def conv_output_is_public_behind_it_a_relu() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] a, float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            y = Conv(r, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def relu_is_public() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { a = Conv(x, w, b) \n y = Relu(a) }",
        w=weights(4, 4, 3, 3),
        b=weights(4),
    )


@awkward
def relu_is_public_and_read() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] r, float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            y = Conv(r, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def matmul_before_its_bias_is_public() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,6] p, float[N,6] y) { p = MatMul(x, w) \n y = Add(p, b) }",
        w=weights(4, 6),
        b=weights(6),
    )


@awkward
def gemm_output_is_public_and_read() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,4] a, float[N,4] y) { a = Gemm(x, w, b) \n y = Gemm(a, w, b) }",
        w=weights(4, 4),
        b=weights(4),
    )


@awkward
def reshape_of_an_input_is_public() -> ir.Model:
    """Nothing but data movement between input and output."""
    return model("g (float[2,8] x) => (float[4,4] y) { y = Reshape(x, shape) }", shape=np.array([4, 4], np.int64))


@awkward
def reshape_is_public_and_read() -> ir.Model:
    return model(
        """g (float[2,4,4,4] x) => (float[2,64] f, float[2,3] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            f = Flatten(a)
            y = Gemm(f, v)
        }""",
        w=weights(4, 4, 3, 3),
        v=weights(64, 3),
    )


@awkward
def identity_to_output() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y) { a = Relu(x) \n y = Identity(a) }")


@awkward
def identity_of_an_output() -> ir.Model:
    """Both names are promised; only one value makes them."""
    return model("g (float[N,4] x) => (float[N,4] a, float[N,4] y) { a = Relu(x) \n y = Identity(a) }")


@awkward
def two_identities_of_one_value() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,4] y, float[N,4] z) { a = Relu(x) \n y = Identity(a) \n z = Identity(a) }"
    )


@awkward
def identity_chain() -> ir.Model:
    return model(
        """g (float[N,4] x) => (float[N,4] y) {
            a = Identity(x)
            b = Identity(a)
            c = Relu(b)
            d = Identity(c)
            y = Identity(d)
        }"""
    )


@awkward
def identity_of_an_input() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y) { y = Identity(x) }")


@awkward
def identity_of_an_input_and_more() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y, float[N,4] z) { y = Identity(x) \n z = Relu(y) }")


@awkward
def identity_of_a_constant() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y, float[4] z) { y = Add(x, w) \n z = Identity(w) }", w=weights(4))


@awkward
def identity_of_a_weight() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,3] y) { v = Identity(w) \n y = MatMul(x, v) }", w=weights(4, 3))


@awkward
def input_is_unused() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x, float[3] unused) => (float[N,4,4,4] y) { y = Conv(x, w) }", w=weights(4, 4, 3, 3)
    )


@awkward
def dead_nodes() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            y = Conv(x, w)
            d = Conv(x, w, b)
            e = Relu(d)
            f = Concat<axis=0>(e, e)
        }""",
        w=weights(4, 4, 3, 3),
        b=weights(4),
        unused=weights(7),
    )


@awkward
def names_are_taken() -> ir.Model:
    """The model already uses the names that quantization gives."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            x_quantized = Conv<pads=[1,1,1,1]>(x, w, b)
            x_QuantizeLinear_Output = Relu(x_quantized)
            x_DequantizeLinear_Output = Add(x_QuantizeLinear_Output, x_scale)
            y = Conv(x_DequantizeLinear_Output, w_quantized, y_zero_point)
        }""",
        w=weights(4, 4, 3, 3),
        w_quantized=weights(4, 4, 3, 3, seed=1),
        b=weights(4),
        x_scale=weights(1, 4, 1, 1),
        y_zero_point=weights(4),
    )


@awkward
def no_nodes_worth_it() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y) { a = Tanh(x) \n y = Exp(a) }")


@awkward
def shapes_unknown() -> ir.Model:
    """No inner value has a type or a shape."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,8] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            s = Add(r, x)
            p = GlobalAveragePool(s)
            f = Flatten(p)
            m = MatMul(f, v)
            y = Add(m, b)
        }""",
        infer=False,
        w=weights(4, 4, 3, 3),
        v=weights(4, 8),
        b=weights(8),
    )
