from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.plain_gemms import PlainGemms

W, B = weights(5, 8), weights(5)


def test_weights_are_stored_once() -> None:
    made = rewrites(
        PlainGemms(),
        model(
            "g (float[2,8] x) => (float[2,5] y, float[2,5] z)"
            "{ y = Gemm<transB=1>(x, w, b) \n r = Relu(x) \n z = Gemm<transB=1>(r, w) }",
            w=W,
            b=B,
        ),
        """
        y = Gemm<transB=0>(x, w_transposed, b)
        r = Relu(x)
        z = Gemm<transB=0>(r, w_transposed)
        """,
    )
    np.testing.assert_array_equal(made.graph.initializers["w_transposed"].const_value.numpy(), W.T)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.booleans(), st.sampled_from([0.5, 1.0]))
def test_any_gemm(rows: int, inner: int, columns: int, turned: bool, alpha: float) -> None:
    first = f"{inner},{rows}" if turned else f"{rows},{inner}"
    made = model(
        f"g (float[{first}] x) => (float[{rows},{columns}] y)"
        f"{{ y = Gemm<transA={int(turned)}, transB=1, alpha={alpha:.1f}>(x, w) }}",
        w=weights(columns, inner),
    )
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert PlainGemms()(made).modified
    assert_same(before, run(made, feeds), tolerance=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "g (float[2,5] x) => (float[2,8] y) { y = Gemm(x, w) }",
        "g (float[2,8] x) => (float[2,5] y) { v = Relu(w) \n y = Gemm<transB=1>(x, v) }",
        "g (float[2,8] x, float[5,8] w) => (float[2,5] y) { y = Gemm<transB=1>(x, w) }",
    ],
    ids=["as it is wanted", "computed weights", "weights that may be replaced"],
)
def test_it_stays(text: str) -> None:
    leaves_alone(PlainGemms(), model(text, w=W))
