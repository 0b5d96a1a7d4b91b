"""BatchNormalization in every position."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


def _bn(channels: int) -> dict[str, np.ndarray]:
    return {
        "s": weights(channels, seed=11) + 1,
        "c": weights(channels, seed=12),
        "m": weights(channels, seed=13),
        "v": np.abs(weights(channels, seed=14)) + 0.1,
    }


@awkward
def bn_behind_conv() -> ir.Model:
    return model(
        """g (float[N,3,6,6] x) => (float[N,4,4,4] y) {
            a = Conv(x, w, b)
            y = BatchNormalization<epsilon=0.01>(a, s, c, m, v)
        }""",
        w=weights(4, 3, 3, 3),
        b=weights(4),
        **_bn(4),
    )


@awkward
def bn_behind_grouped_conv() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,8,4,4] y) {
            a = Conv<group=2>(x, w)
            y = BatchNormalization(a, s, c, m, v)
        }""",
        w=weights(8, 2, 3, 3),
        **_bn(8),
    )


@awkward
def bn_behind_conv_transpose() -> ir.Model:
    return model(
        """g (float[N,4,4,4] x) => (float[N,6,6,6] y) {
            a = ConvTranspose<group=2>(x, w, b)
            y = BatchNormalization(a, s, c, m, v)
        }""",
        w=weights(4, 3, 3, 3),
        b=weights(6),
        **_bn(6),
    )


@awkward
def bn_behind_gemm() -> ir.Model:
    return model(
        """g (float[N,4] x) => (float[N,6] y) {
            a = Gemm<transB=1>(x, w, b)
            y = BatchNormalization(a, s, c, m, v)
        }""",
        w=weights(6, 4),
        b=weights(6),
        **_bn(6),
    )


@awkward
def bn_behind_gemm_with_a_scalar_bias() -> ir.Model:
    return model(
        "g (float[N,4] x) => (float[N,6] y) { a = Gemm(x, w, b) \n y = BatchNormalization(a, s, c, m, v) }",
        w=weights(4, 6),
        b=np.float32(0.5),
        **_bn(6),
    )


@awkward
def bn_behind_gemm_with_a_matrix_bias() -> ir.Model:
    """One bias per row, and as many rows as columns."""
    return model(
        "g (float[6,4] x) => (float[6,6] y) { a = Gemm(x, w, b) \n y = BatchNormalization(a, s, c, m, v) }",
        w=weights(4, 6),
        b=weights(6, 1),
        **_bn(6),
    )


@awkward
def bn_behind_gemm_with_a_full_bias() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[3,6] y) { a = Gemm(x, w, b) \n y = BatchNormalization(a, s, c, m, v) }",
        w=weights(4, 6),
        b=weights(3, 6),
        **_bn(6),
    )


@awkward
def bn_behind_scaled_gemm() -> ir.Model:
    return model(
        """g (float[N,4] x) => (float[N,6] y) {
            a = Gemm<alpha=0.5>(x, w, b)
            y = BatchNormalization(a, s, c, m, v)
        }""",
        w=weights(4, 6),
        b=weights(6),
        **_bn(6),
    )


@awkward
def bn_behind_public_conv() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] a, float[N,4,4,4] y) {
            a = Conv(x, w)
            y = BatchNormalization(a, s, c, m, v)
        }""",
        w=weights(4, 4, 3, 3),
        **_bn(4),
    )


@awkward
def bn_behind_conv_read_twice() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv(x, w)
            b = BatchNormalization(a, s, c, m, v)
            y = Add(a, b)
        }""",
        w=weights(4, 4, 3, 3),
        **_bn(4),
    )


@awkward
def bn_over_a_tied_weight() -> ir.Model:
    """The weight also serves a convolution that has no normalization."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y) {
            a = Conv(x, w)
            b = BatchNormalization(a, s, c, m, v)
            d = Conv(x, w)
            y = Add(d, b)
        }""",
        w=weights(4, 4, 3, 3),
        **_bn(4),
    )


@awkward
def bn_in_training_mode() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,4,4] y, float[4] p, float[4] q) {
            a = Conv(x, w)
            y, p, q = BatchNormalization<training_mode=1>(a, s, c, m, v)
        }""",
        w=weights(4, 4, 3, 3),
        **_bn(4),
    )


@awkward
def bn_over_an_input_scale() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x, float[4] s) => (float[N,4,4,4] y) {
            a = Conv(x, w)
            y = BatchNormalization(a, s, c, m, v)
        }""",
        w=weights(4, 4, 3, 3),
        **_bn(4),
    )


@awkward
def bn_whose_scale_reads_the_conv() -> ir.Model:
    """The convolution's only reader reads it as the scale, not as what is normalized."""
    return model(
        """g (float[2,4,6,6] x, float[1,1,4] z) => (float[2,4,6,6] y) {
            a = Conv(z, k)
            b = Reshape(a, four)
            y = BatchNormalization(x, b, c, m, v)
        }""",
        k=weights(1, 1, 1),
        four=np.array([4], np.int64),
        **_bn(4),
    )


@awkward
def bn_of_bn() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y) {
            a = BatchNormalization(x, s, c, m, v)
            b = BatchNormalization(a, s, c, m, v)
            d = Conv<pads=[1,1,1,1]>(b, w)
            e = BatchNormalization(d, s, c, m, v)
            f = BatchNormalization(e, s, c, m, v)
            y = Relu(f)
        }""",
        w=weights(4, 4, 3, 3),
        **_bn(4),
    )


@awkward
def reduce_mean_forms() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4] y, float[N,4,1,1] z, float[N,4,6,1] q, float[N,1,1,1] p) {
            a = Relu(x)
            y = ReduceMean<axes=[-1,2], keepdims=0>(a)
            z = ReduceMean<axes=[2,3]>(a)
            q = ReduceMean<axes=[3]>(a)
            p = ReduceMean<axes=[1,2,3]>(a)
        }"""
    )


@awkward
def reduce_mean_axes_as_input() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x, int64[2] axes) => (float[N,4] y, float[N,4,1,1] z) {
            a = Relu(x)
            y = ReduceMean<keepdims=0>(a, two)
            z = ReduceMean(a, axes)
        }""",
        opset=18,
        two=np.array([2, 3], np.int64),
        axes=np.array([2, 3], np.int64),
    )


@awkward
def reduce_mean_without_axes() -> ir.Model:
    return model(
        """g (float[N,4,6,6] x) => (float[N,4,6,6] y, float[1,1,1,1] z) {
            a = Relu(x)
            y = ReduceMean<noop_with_empty_axes=1>(a)
            z = ReduceMean(a)
        }""",
        opset=18,
    )
