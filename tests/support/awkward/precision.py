"""Models that are not float32, or not only."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


@awkward
def half_model() -> ir.Model:
    half = np.float16
    return model(
        """g (float16[N,4,6,6] x) => (float16[N,5] y) {
            a = Conv(x, w, b)
            n = BatchNormalization(a, s, b, b, v)
            r = Relu(n)
            p = GlobalAveragePool(r)
            f = Flatten(p)
            m = MatMul(f, u)
            y = Add(m, c)
        }""",
        w=weights(4, 4, 3, 3).astype(half),
        b=weights(4).astype(half),
        s=weights(4, seed=1).astype(half),
        v=np.ones(4, half),
        u=weights(4, 5).astype(half),
        c=weights(5).astype(half),
    )


@awkward
def double_model() -> ir.Model:
    return model(
        """g (double[N,4,6,6] x) => (double[N,5] y) {
            r = Relu(x)
            n = BatchNormalization(r, s, b, b, v)
            p = ReduceMean<axes=[2,3], keepdims=0>(n)
            a = Gemm(p, w, b)
            m = MatMul(a, u)
            y = Add(m, c)
        }""",
        w=weights(4, 4).astype(np.float64),
        b=weights(4).astype(np.float64),
        s=weights(4, seed=1).astype(np.float64),
        v=np.ones(4),
        u=weights(4, 5).astype(np.float64),
        c=weights(5).astype(np.float64),
    )


@awkward
def double_island() -> ir.Model:
    """A float32 model with a double Gemm and a mean inside."""
    return model(
        """g (float[N,4,6,6] x) => (float[N,5] y) {
            a = Conv(x, w)
            d = Cast<to=11>(a)
            p = ReduceMean<axes=[2,3], keepdims=0>(d)
            m = MatMul(p, u)
            s = Add(m, c)
            y = Cast<to=1>(s)
        }""",
        w=weights(4, 4, 3, 3),
        u=weights(4, 5).astype(np.float64),
        c=weights(5).astype(np.float64),
    )


@awkward
def half_weights_cast_up() -> ir.Model:
    return model(
        "g (float[N,4,6,6] x) => (float[N,4,4,4] y) { w = Cast<to=1>(h) \n y = Conv(x, w) }",
        h=weights(4, 4, 3, 3).astype(np.float16),
    )


@awkward
def integer_matmul() -> ir.Model:
    return model(
        "g (int32[2,4] x, float[2,3] z) => (int32[2,3] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        w=np.arange(12, dtype=np.int32).reshape(4, 3),
        b=np.arange(3, dtype=np.int32),
    )


@awkward
def already_dynamic() -> ir.Model:
    """Integer operators of the user's own, beside a float one."""
    return model(
        """g (float[2,4] x) => (float[2,3] y) {
            q, s, z = DynamicQuantizeLinear(x)
            i = MatMulInteger(q, k, z)
            f = Cast<to=1>(i)
            m = Mul(f, s)
            g0 = Gemm(x, w)
            y = Add(m, g0)
        }""",
        k=np.arange(12, dtype=np.int8).reshape(4, 3) - 6,
        w=weights(4, 3),
    )
