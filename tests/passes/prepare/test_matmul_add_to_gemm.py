from __future__ import annotations

import pytest
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.matmul_add_to_gemm import MatMulAddToGemm

BIAS = "what is added to it is not one constant per column"


@pytest.mark.parametrize("added", ["Add(a, b)", "Add(b, a)"])
def test_a_matrix(added: str) -> None:
    rewrites(
        MatMulAddToGemm(),
        model(
            f"g (float[N,4] x) => (float[N,6] y) {{ a = MatMul(x, w) \n y = {added} }}",
            w=weights(4, 6),
            b=weights(6),
        ),
        "y = Gemm(x, w, b)",
    )


def test_leading_dimensions_with_one_unknown_are_constants() -> None:
    after = rewrites(
        MatMulAddToGemm(),
        model(
            "g (float[N,3,4] x) => (float[N,3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }",
            w=weights(4, 6),
            b=weights(6),
        ),
        """
        a_flat = Reshape(x, a_rows)
        a_gemm = Gemm(a_flat, w, b)
        y = Reshape(a_gemm, a_shape)
        """,
    )
    shapes = {name: value.const_value.numpy().tolist() for name, value in after.graph.initializers.items()}
    assert (shapes["a_rows"], shapes["a_shape"]) == ([-1, 4], [-1, 3, 6])


def test_leading_dimensions_with_two_unknown_are_taken_from_the_input() -> None:
    source = model(
        "g (float[A,B,4] x) => (float[A,B,6] y) { a = MatMul(x, w) \n y = Add(a, b) }", w=weights(4, 6), b=weights(6)
    )
    before = source.clone()
    rewrites(
        MatMulAddToGemm(),
        source,
        """
        a_flat = Reshape(x, a_rows)
        a_gemm = Gemm(a_flat, w, b)
        a_shape_of_value = Shape(x)
        a_leading_dims_value = Slice(a_shape_of_value, a_zero, a_leading)
        a_out_shape_value = Concat<axis=0>(a_leading_dims_value, a_columns)
        y = Reshape(a_gemm, a_out_shape_value)
        """,
    )
    for sizes in ({"A": 1, "B": 5}, {"A": 3, "B": 1}):
        feeds = feeds_of(source, sizes=sizes)
        assert_same(run(before, feeds), run(source, feeds))


@pytest.mark.parametrize("shape", [(1, 6), (1, 1, 6)])
def test_a_bias_with_leading_ones_becomes_a_row(shape: tuple[int, ...]) -> None:
    after = rewrites(
        MatMulAddToGemm(),
        model(
            "g (float[2,3,4] x) => (float[2,3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }",
            w=weights(4, 6),
            b=weights(*shape),
        ),
        """
        a_flat = Reshape(x, a_rows)
        a_gemm = Gemm(a_flat, w, b_row)
        y = Reshape(a_gemm, a_shape)
        """,
    )
    assert after.graph.initializers["b_row"].const_value.numpy().shape == (6,)


@pytest.mark.parametrize(
    ("inputs", "added"),
    [("", "x"), (", float[6] b", "b"), (", float[3,6] b", "b"), (", float[2,1,6] b", "b")],
    ids=["residual", "fed vector", "fed matrix", "fed batch"],
)
def test_what_is_no_bias_stays_an_add(inputs: str, added: str) -> None:
    """ONNX Runtime would fuse a MatMul with it into a float Gemm; a Gemm it leaves alone."""
    columns = 4 if added == "x" else 6
    rewrites(
        MatMulAddToGemm(),
        model(
            f"g (float[3,4] x{inputs}) => (y) {{ a = MatMul(x, w) \n y = Add(a, {added}) }}".replace(
                "(y)", "(float[2,3,6] y)" if "2,1,6" in inputs else f"(float[3,{columns}] y)"
            ),
            w=weights(4, columns),
        ),
        f"""
        a = Gemm(x, w)
        y = Add(a, {added})
        """,
    )


def test_a_fed_vector_behind_more_dimensions() -> None:
    rewrites(
        MatMulAddToGemm(),
        model(
            "g (float[2,3,4] x, float[6] b) => (float[2,3,6] y) { a = MatMul(x, w) \n y = Add(a, b) }",
            w=weights(4, 6),
        ),
        """
        a_flat = Reshape(x, a_rows)
        a_gemm = Gemm(a_flat, w)
        a = Reshape(a_gemm, a_shape)
        y = Add(a, b)
        """,
    )


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("g (float[2,3,4] x) => (float[2,3,4] y) { a = MatMul(x, w) \n y = Add(a, x) }", {"a": BIAS}),
        ("g (float[2,3,4] x, float[3,1] b) => (float[2,3,4] y) { a = MatMul(x, w) \n y = Add(a, b) }", {"a": BIAS}),
        ("g (float[N,4] x, float[4,4] w) => (float[N,4] y) { a = MatMul(x, w) \n y = Add(a, x) }", {}),
        ("g (float[N,4] x) => (float[N,4] y, float[N,4] a) { a = MatMul(x, w) \n y = Add(a, x) }", {}),
        ("g (float[N,4] x) => (float[N,4] y) { a = MatMul(x, w) \n y = Add(a, a) }", {}),
        ("g (float[N,4] x) => (float[N,4] y) { a = MatMul(x, w) \n y = Mul(a, x) }", {}),
        ("g (float[4,N] x) => (float[4,N] y) { a = MatMul(w, x) \n y = Add(a, x) }", {}),
    ],
    ids=["residual", "fed column", "weight an input", "public", "added to itself", "not added", "weight first"],
)
def test_it_stays(text: str, reasons: dict[str, str]) -> None:
    leaves_alone(MatMulAddToGemm(), model(text, w=weights(4, 4)), **reasons)


def test_it_stays_where_rank_or_type_do_not_fit() -> None:
    text = "g (float[N,4] x) => (float[N,4] y) { z = Relu(x) \n a = MatMul(z, w) \n y = Add(a, b) }"
    leaves_alone(
        MatMulAddToGemm(),
        model(text, infer=False, w=weights(4, 4), b=weights(4)),
        a="the rank or type of its input is unknown",
    )
    double = {"w": weights(4, 4).astype("f8"), "b": weights(4).astype("f8")}
    leaves_alone(MatMulAddToGemm(), model(text.replace("float", "double"), **double), a="computes in DOUBLE, not FLOAT")
