from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.gemm_to_matmul import GemmToMatMul


def test_a_transposed_weight_and_a_bias() -> None:
    made = rewrites(
        GemmToMatMul(),
        model(
            "g (float[N,32] x) => (float[N,5] y) { r = Relu(x) \n y = Gemm<transB=1>(r, w, b) }",
            w=weights(5, 32),
            b=weights(5),
        ),
        """
        r = Relu(x)
        y_product = MatMul(r, w_transposed)
        y = Add(y_product, b)
        """,
    )
    np.testing.assert_array_equal(made.graph.initializers["w_transposed"].const_value.numpy(), weights(5, 32).T)
    assert [node.name for node in made.graph] == ["r", "y", "y_bias"]


def test_a_weight_as_it_is_wanted() -> None:
    rewrites(
        GemmToMatMul(size=64),
        model("g (float[N,64] x) => (float[N,5] y) { y = Gemm(x, w) }", w=weights(64, 5)),
        "y = MatMul(x, w)",
    )


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(2, 6),
    st.booleans(),
    st.sampled_from(["", "n", "1,n", "m,n", "m,1", "1"]),
)
def test_any_gemm_of_whole_blocks(rows: int, blocks: int, columns: int, turned: bool, bias: str) -> None:
    shape = (columns, 4 * blocks) if turned else (4 * blocks, columns)
    sizes = {"m": rows, "n": columns, "1": 1}
    constants = {"b": weights(*(sizes[each] for each in bias.split(",")))} if bias else {}
    made = model(
        f"g (float[{rows},{4 * blocks}] x) => (float[{rows},{columns}] y)"
        f"{{ y = Gemm<transB={int(turned)}>(x, w{', b' if bias else ''}) }}",
        w=weights(*shape),
        **constants,
    )
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert GemmToMatMul(size=4)(made).modified
    assert "Gemm" not in {node.op_type for node in made.graph}
    assert_same(before, run(made, feeds), tolerance=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "g (float[2,32] x) => (float[2,5] y) { y = Gemm<alpha=0.5>(x, w) }",
        "g (float[2,32] x) => (float[2,5] y) { y = Gemm<beta=0.5>(x, w, b) }",
        "g (float[32,2] x) => (float[2,5] y) { y = Gemm<transA=1>(x, w) }",
        "g (float[2,32] x) => (float[2,5] y) { v = Relu(w) \n y = Gemm(x, v) }",
        "g (float[2,32] x, float[32,5] w) => (float[2,5] y) { y = Gemm(x, w) }",
        "g (float[2,5] x) => (float[2,32] y) { y = Gemm<transB=1>(x, w) }",
        "g (float[2,32] x) => (float[2,1] y) { y = Gemm(x, one) }",
        "g (float[2,32] x) => (float[2,5] y, float[2,32] z){ y = Gemm<transB=1>(x, turned) \n z = MatMul(y, turned) }",
    ],
    ids=[
        "alpha",
        "beta",
        "transA",
        "computed weights",
        "weights that may be replaced",
        "no whole blocks",
        "one column",
        "a transposed weight that others read",
    ],
)
def test_it_stays(text: str) -> None:
    constants = {"w": weights(32, 5), "b": weights(5), "one": weights(32, 1), "turned": weights(5, 32)}
    leaves_alone(GemmToMatMul(), model(text, **{name: array for name, array in constants.items() if name in text}))
