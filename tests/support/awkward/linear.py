"""Gemm and MatMul in forms no integer kernel has."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graphs import model, weights
from .table import awkward


def _gemm(
    attributes: str, bias: np.ndarray | None, *, w: np.ndarray | None = None, x: str = "float[3,4] x"
) -> ir.Model:
    """Gemm of (3, 4) by (4, 6), then a plain one, so that the first one's result is read as an integer."""
    constants = {"w": weights(4, 6) if w is None else w, "v": weights(6, 5)}
    operands = "x, w"
    if bias is not None:
        constants["b"] = bias
        operands += ", b"
    return model(
        f"g ({x}) => (float[3,5] y) {{ a = Gemm{attributes}({operands}) \n y = Gemm(a, v) }}",
        **constants,
    )


@awkward
def gemm_alpha() -> ir.Model:
    return _gemm("<alpha=0.5>", weights(6))


@awkward
def gemm_beta() -> ir.Model:
    return _gemm("<beta=2.0>", weights(6))


@awkward
def gemm_beta_without_bias() -> ir.Model:
    return _gemm("<beta=2.0>", None)


@awkward
def gemm_trans_a() -> ir.Model:
    return _gemm("<transA=1>", weights(6), x="float[4,3] x")


@awkward
def gemm_trans_b() -> ir.Model:
    return _gemm("<transB=1>", weights(6), w=weights(6, 4))


@awkward
def gemm_scalar_bias() -> ir.Model:
    return _gemm("", np.float32(1.5))


@awkward
def gemm_bias_of_one() -> ir.Model:
    return _gemm("", np.array([1.5], np.float32))


@awkward
def gemm_row_bias() -> ir.Model:
    return _gemm("", weights(1, 6))


@awkward
def gemm_column_bias() -> ir.Model:
    return _gemm("", weights(3, 1))


@awkward
def gemm_full_bias() -> ir.Model:
    return _gemm("", weights(3, 6))


@awkward
def matmul_batched_constant() -> ir.Model:
    return model(
        "g (float[2,3,4] x) => (float[2,3,5] y) { a = MatMul(x, w) \n y = MatMul(a, v) }",
        w=weights(2, 4, 6),
        v=weights(6, 5),
    )


@awkward
def matmul_batched_constant_with_bias() -> ir.Model:
    return model(
        "g (float[2,3,4] x) => (float[2,3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        w=weights(2, 4, 6),
        b=weights(6),
    )


@awkward
def matmul_constant_first() -> ir.Model:
    return model(
        "g (float[4,3] x) => (float[5,3] y) { a = MatMul(w, x) \n y = Add(b, a) }", w=weights(5, 4), b=weights(3)
    )


@awkward
def matmul_by_a_vector() -> ir.Model:
    return model(
        "g (float[N,3,4] x) => (float[N,3] y) { a = MatMul(x, w) \n y = Add(a, b) }", w=weights(4), b=weights(3)
    )


@awkward
def matmul_of_a_vector() -> ir.Model:
    return model("g (float[4] x) => (float[6] y) { a = MatMul(x, w) \n y = Add(a, b) }", w=weights(4, 6), b=weights(6))


@awkward
def matmul_of_activations() -> ir.Model:
    """Attention: both operands are computed."""
    return model(
        """g (float[2,5,8] x) => (float[2,5,8] y) {
            q = MatMul(x, wq)
            k = MatMul(x, wk)
            v = MatMul(x, wv)
            t = Transpose<perm=[0,2,1]>(k)
            l = MatMul(q, t)
            p = Softmax(l)
            o = MatMul(p, v)
            m = MatMul(o, wo)
            y = Add(m, b)
        }""",
        wq=weights(8, 8),
        wk=weights(8, 8, seed=1),
        wv=weights(8, 8, seed=2),
        wo=weights(8, 8, seed=3),
        b=weights(8),
    )


@awkward
def matmul_bias_ranks() -> ir.Model:
    """Ranks 3 and 4, one and two free dimensions, the bias on either side."""
    return model(
        """g (float[N,3,4] x, float[A,B,3,4] z) => (float[N,3,6] y, float[A,B,3,6] q) {
            a = MatMul(x, w)
            y = Add(b, a)
            c = MatMul(z, w)
            q = Add(c, row)
        }""",
        w=weights(4, 6),
        b=weights(6),
        row=weights(1, 6),
    )


@awkward
def matmul_added_to_itself() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,6] y) { a = MatMul(x, w) \n y = Add(a, a) }", w=weights(4, 6))


@awkward
def matmul_then_residual() -> ir.Model:
    return model("g (float[N,4] x) => (float[N,4] y) { a = MatMul(x, w) \n y = Add(x, a) }", w=weights(4, 4))


@awkward
def matmul_bias_that_grows() -> ir.Model:
    """Adding (2, 1, 6) to (3, 6) gives rank 3: no Gemm does that."""
    return model(
        "g (float[3,4] x) => (float[2,3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        w=weights(4, 6),
        b=weights(2, 1, 6),
    )


@awkward
def matmul_bias_of_a_batch() -> ir.Model:
    """A (1, 1, 6) bias behind a matrix adds a dimension."""
    return model(
        "g (float[3,4] x) => (float[1,3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }",
        w=weights(4, 6),
        b=weights(1, 1, 6),
    )


@awkward
def matmul_of_one_column() -> ir.Model:
    """With one column a bias of three broadcasts the result."""
    return model(
        "g (float[2,4] x) => (float[2,3] y) { a = MatMul(x, w) \n y = Add(a, b) }", w=weights(4, 1), b=weights(3)
    )


@awkward
def matmul_bias_then_relu() -> ir.Model:
    return model(
        """g (float[N,4] x) => (float[N,5] y) {
            a = MatMul(x, w)
            s = Add(a, b)
            r = Relu(s)
            c = MatMul(r, v)
            y = Add(c, d)
        }""",
        w=weights(4, 6),
        b=weights(6),
        v=weights(6, 5),
        d=weights(5),
    )


@awkward
def recurrent() -> ir.Model:
    return model(
        """g (float[T,2,3] x) => (float[T,1,2,4] y, float[1,2,4] h) {
            y, h, c = LSTM<hidden_size=4>(x, w, r, b, "", h0, "", "")
        }""",
        w=weights(1, 16, 3),
        r=weights(1, 16, 4),
        b=weights(1, 32),
        h0=np.zeros((1, 2, 4), np.float32),
    )


@awkward
def embedding() -> ir.Model:
    return model(
        """g (int64[N,5] ids) => (float[N,5,8] y) {
            e = Gather(table, ids)
            a = MatMul(e, w)
            y = Add(a, b)
        }""",
        table=weights(40, 8),
        w=weights(8, 8),
        b=weights(8),
    )


@awkward
def embedding_tied_to_the_head() -> ir.Model:
    return model(
        """g (int64[N,5] ids) => (float[N,5,40] y) {
            e = Gather(table, ids)
            t = Transpose<perm=[1,0]>(table)
            y = MatMul(e, t)
        }""",
        table=weights(40, 8),
    )


@awkward
def matmul_then_residual_of_known_shape() -> ir.Model:
    """ONNX Runtime fuses MatMul and Add to a float Gemm wherever both are matrices."""
    return model("g (float[3,4] x) => (float[3,4] y) { a = MatMul(x, w) \n y = Add(a, x) }", w=weights(4, 4))


@awkward
def matmul_then_fed_bias() -> ir.Model:
    return model(
        "g (float[2,3,4] x, float[6] b) => (float[2,3,6] y) { a = MatMul(x, w) \n y = Add(b, a) }", w=weights(4, 6)
    )


@awkward
def matmul_then_full_bias() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }", w=weights(4, 6), b=weights(3, 6)
    )


@awkward
def two_matmuls_added() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[3,4] y) { a = MatMul(x, w) \n b = MatMul(x, v) \n y = Add(a, b) }",
        w=weights(4, 4),
        v=weights(4, 4, seed=1),
    )


@awkward
def gemm_then_sum() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[3,4] y, float[3,4] z) { a = Gemm(x, w) \n y = Sum(a, x) \n z = Sum(x, y, x) }",
        w=weights(4, 4),
    )


@awkward
def gemm_then_transpose() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[6,3] y, float[6,3] z) { a = Gemm(x, w, b) \n y = Transpose(a) \n z = Relu(y) }",
        w=weights(4, 6),
        b=weights(6),
    )


@awkward
def gemm_read_by_transpose_and_more() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[6,3] y, float[3,6] z) { a = Gemm(x, w, b) \n y = Transpose(a) \n z = Tanh(a) }",
        w=weights(4, 6),
        b=weights(6),
    )


@awkward
def gemm_then_transpose_then_matmul() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[6,5] y) { a = Gemm(x, w, b) \n t = Transpose(a) \n y = MatMul(t, v) }",
        w=weights(4, 6),
        b=weights(6),
        v=weights(3, 5),
    )


@awkward
def matmul_scaled() -> ir.Model:
    return model(
        "g (float[3,4] x) => (float[3,6] y) { s = Mul(x, two) \n a = MatMul(s, w) \n y = Mul(a, two) }",
        w=weights(4, 6),
        two=np.float32(2),
    )


@awkward
def gemm_then_relu_then_float() -> ir.Model:
    """ONNX Runtime looks behind the Relu for a Q, and finding none leaves the Gemm float."""
    return model(
        "g (float[3,4] x) => (float[3,6] y) { a = Gemm(x, w, b) \n r = Relu(a) \n y = Softmax(r) }",
        w=weights(4, 6),
        b=weights(6),
    )


@awkward
def matmul_then_clip_then_float() -> ir.Model:
    return model(
        "g (float[2,3,4] x) => (float[2,3,6] y) { a = MatMul(x, w) \n r = Clip(a, low, high) \n y = Softmax(r) }",
        w=weights(4, 6),
        low=np.float32(-0.5),
        high=np.float32(0.5),
    )
