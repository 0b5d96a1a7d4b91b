"""If and Loop, whose bodies read values from outside."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


@awkward
def if_reads_a_conv_output() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x, bool c) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            i = If(c) <
                then_branch = t () => (float[N,4,6,6] u) { u = Sigmoid(r) },
                else_branch = e () => (float[N,4,6,6] v) { v = Neg(a) }
            >
            y = Conv(i, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def if_reads_a_clamped_conv() -> ir.Model:
    """The Relu is read by one convolution outside and by a body."""
    return model(
        """g (float[N,4,6,6] x, bool c) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            r = Relu(a)
            b = Conv(r, w)
            y = If(c) <
                then_branch = t () => (float[N,4,4,4] u) { u = Conv(r, w) },
                else_branch = e () => (float[N,4,4,4] v) { v = Neg(b) }
            >
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def if_reads_a_weight() -> ir.Model:
    return model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            a = MatMul(x, w)
            s = Add(a, b)
            y = If(c) <
                then_branch = t () => (float[N,4] u) { u = MatMul(s, w) },
                else_branch = e () => (float[N,4] v) { v = Add(s, b) }
            >
        }""",
        w=weights(4, 4),
        b=weights(4),
    )


@awkward
def if_reads_a_matmul_before_its_bias() -> ir.Model:
    return model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            a = MatMul(x, w)
            s = Add(a, b)
            y = If(c) <
                then_branch = t () => (float[N,4] u) { u = Neg(a) },
                else_branch = e () => (float[N,4] v) { v = Neg(s) }
            >
        }""",
        w=weights(4, 4),
        b=weights(4),
    )


@awkward
def if_reads_an_identity() -> ir.Model:
    return model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            a = Relu(x)
            d = Identity(a)
            y = If(c) <
                then_branch = t () => (float[N,4] u) { u = Neg(d) },
                else_branch = e () => (float[N,4] v) { v = Identity(d) }
            >
        }""",
        infer=False,
    )


@awkward
def if_returns_an_outer_value() -> ir.Model:
    """A body whose output is a value of the graph around it."""
    return model(
        """g (float[N,4,6,6] x, bool c) => (float[N,4,4,4] y) {
            a = Conv<pads=[1,1,1,1]>(x, w)
            i = If(c) <
                then_branch = t () => (float[N,4,6,6] u) { u = Identity(a) },
                else_branch = e () => (float[N,4,6,6] v) { v = Identity(x) }
            >
            y = Conv(i, w)
        }""",
        w=weights(4, 4, 3, 3),
    )


@awkward
def if_holds_constants() -> ir.Model:
    """All that could run in integers is in a body, with initializers named as those outside."""
    return model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            y = If(c) <
                then_branch = t () => (float[N,4] u) {
                    w_quantized = Constant<value = float[4,2] {1.0,0.0,2.0,0.0,3.0,1.0,0.0,1.0}>()
                    p = MatMul(x, w_quantized)
                    u = Concat<axis=1>(p, p)
                },
                else_branch = e () => (float[N,4] v) { v = MatMul(x, w) }
            >
        }""",
        w=weights(4, 4),
    )


@awkward
def if_reads_a_depthwise_conv() -> ir.Model:
    """What `AlignChannels` would widen is read by a convolution in a body."""
    return model(
        """g (float[N,4,6,6] x, bool c) => (float[N,5,6,6] y) {
            a = Conv(x, w)
            d = Conv<group=6, pads=[1,1,1,1]>(a, v)
            y = If(c) <
                then_branch = t () => (float[N,5,6,6] p) { p = Conv(d, u) },
                else_branch = e () => (float[N,5,6,6] q) { q = Conv(x, k) }
            >
        }""",
        w=weights(6, 4, 1, 1),
        v=weights(6, 1, 3, 3),
        u=weights(5, 6, 1, 1),
        k=weights(5, 4, 1, 1),
    )


@awkward
def if_in_if() -> ir.Model:
    return model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            a = MatMul(x, w)
            y = If(c) <
                then_branch = t () => (float[N,4] u) {
                    u = If(c) <
                        then_branch = tt () => (float[N,4] uu) { uu = Neg(a) },
                        else_branch = ee () => (float[N,4] vv) { vv = MatMul(a, w) }
                    >
                },
                else_branch = e () => (float[N,4] v) { v = Abs(a) }
            >
        }""",
        w=weights(4, 4),
    )


@awkward
def loop_reads_a_weight() -> ir.Model:
    return model(
        """g (float[2,4] x) => (float[2,4] y) {
            a = MatMul(x, w)
            s = Loop(three, true0, a) <
                body = body (int64 i, bool go, float[2,4] p) => (bool again, float[2,4] q) {
                    again = Identity(go)
                    m = MatMul(p, w)
                    t = Add(m, b)
                    q = Tanh(t)
                }
            >
            y = MatMul(s, w)
        }""",
        w=weights(4, 4),
        b=weights(4),
        three=np.array(3, np.int64),
        true0=np.array(True),
    )
