from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.normalize.fold_constants import FoldConstants


def test_a_branch_of_constants() -> None:
    after = rewrites(
        FoldConstants(),
        model(
            "g (float[N,4] x) => (float[N,4] y) { a = Add(k, k) \n b = Mul(a, j) \n y = Add(x, b) }",
            k=weights(4),
            j=weights(1),
        ),
        "y = Add(x, b_folded)",
    )
    assert np.allclose(after.graph.initializers["b_folded"].const_value.numpy(), 2 * weights(4) * weights(1))


def test_the_shape_of_a_known_value() -> None:
    after = rewrites(
        FoldConstants(),
        model(
            """g (float[2,3,4] x) => (float[2,12] y) {
                s = Shape(x)
                n = Gather(s, zero)
                l = Concat<axis=0>(n, rest)
                y = Reshape(x, l)
            }""",
            zero=np.array([0], np.int64),
            rest=np.array([-1], np.int64),
        ),
        "y = Reshape(x, l_folded)",
    )
    assert after.graph.initializers["l_folded"].const_value.numpy().tolist() == [2, -1]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [("<start=1>", [3, 4]), ("<start=-1>", [4]), ("<end=-1>", [2, 3]), ("<start=1, end=9>", [3, 4])],
)
def test_a_part_of_a_shape(attributes: str, expected: list[int]) -> None:
    text = f"g (float[2,3,4] x) => (int64[K] y) {{ s = Shape{attributes}(x) \n y = Neg(s) }}"
    after = model(text)
    FoldConstants()(after)
    assert after.graph.initializers["s_folded"].const_value.numpy().tolist() == expected


def test_the_known_end_of_a_free_shape() -> None:
    rewrites(
        FoldConstants(),
        model(
            """g (float[N,3,4] x) => (int64[2] y, int64[1] z) {
                s = Shape<start=1>(x)
                y = Neg(s)
                z = Shape<end=1>(x)
            }"""
        ),
        """
        y = Neg(s_folded)
        z = Shape<end=1>(x)
        """,
    )


@pytest.mark.parametrize(
    "text",
    [
        "g (float[N,4] x, float[4] k) => (float[N,4] y) { a = Add(k, k) \n y = Add(x, a) }",
        "g (float[N,4] x) => (float[N,4] y, float[4] a) { a = Add(k, k) \n y = Add(x, a) }",
        "g (float[N,4] x) => (float[N,4] y) { a = RandomUniformLike(k) \n b = Mul(a, zero) \n y = Add(x, b) }",
        "g (float[N,4] x) => (float[N,4] y) { a = DequantizeLinear(q, s) \n y = Add(x, a) }",
    ],
    ids=["the caller may replace it", "it is public", "it is random", "it is quantized on purpose"],
)
def test_it_stays(text: str) -> None:
    constants = {
        "k": weights(4),
        "zero": np.zeros(1, np.float32),
        "q": np.arange(4, dtype=np.int8),
        "s": np.array(0.5, np.float32),
    }
    leaves_alone(FoldConstants(), model(text, **{name: array for name, array in constants.items() if name in text}))


def test_results_beyond_the_limit_stay() -> None:
    text = "g (float[64] x) => (float[64] y) { e = Expand(k, shape) \n y = Add(x, e) }"
    constants = {"k": np.ones(1, np.float32), "shape": np.array([64], np.int64)}
    leaves_alone(FoldConstants(limit=255), model(text, **constants))
    rewrites(FoldConstants(limit=256), model(text, **constants), "y = Add(x, e_folded)")


def test_what_the_reference_cannot_compute_stays() -> None:
    """Contradictory constants: ONNX Runtime's error, at its own time, not ours."""
    leaves_alone(
        FoldConstants(),
        model(
            "g (float[4] x) => (float[4] y) { a = Reshape(k, shape) \n y = Add(x, a) }",
            infer=False,
            k=weights(4),
            shape=np.array([3], np.int64),
        ),
    )
