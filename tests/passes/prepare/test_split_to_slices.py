from __future__ import annotations

import numpy as np
import pytest
from support.graphs import feeds_of, model, weights
from support.kernels import still_float
from support.numerics import optimized
from support.recipes import compiled
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.split_to_slices import SplitToSlices

BODY = "y = Neg(a) \n z = Neg(b)"


@pytest.mark.parametrize(
    ("split", "sizes", "bounds"),
    [
        ("a, b = Split<axis=1>(x, k)", (2, 4), (0, 2, 6)),
        ("a, b = Split<axis=-2>(x, k)", (5, 1), (0, 5, 6)),
    ],
)
def test_a_slice_for_each_part(split: str, sizes: tuple[int, ...], bounds: tuple[int, ...]) -> None:
    source = model(
        f"g (float[2,6,3] x) => (float[A,B,C] y, float[D,E,F] z) {{ {split} \n {BODY} }}", k=np.array(sizes, np.int64)
    )
    first, middle, last = bounds
    axis = 1
    rewrites(
        SplitToSlices(),
        source,
        f"""
        a = Slice(x, split_at_{first}, split_at_{middle}, split_at_{axis})
        b = Slice(x, split_at_{middle}, split_at_{last}, split_at_{axis})
        y = Neg(a)
        z = Neg(b)
        """,
        tolerance=0,
    )
    assert {name for name in source.graph.initializers if name != "k"} == {
        f"split_at_{number}" for number in {axis, *bounds}
    }


def test_equal_parts() -> None:
    source = model("g (float[2,6] x) => (float[A,B] y, float[C,D] z) { a, b = Split<axis=1>(x) \n " + BODY + " }")
    assert SplitToSlices()(source).modified
    assert [node.op_type for node in source.graph] == ["Slice", "Slice", "Neg", "Neg"]


@pytest.mark.parametrize(
    "text",
    [
        "g (int64[2,6] x) => (int64[A,B] y, int64[C,D] z) { a, b = Split<axis=1>(x) \n " + BODY + " }",
        "g (float[2,N] x) => (float[A,B] y, float[C,D] z) { a, b = Split<axis=1>(x) \n " + BODY + " }",
        "g (float[2,6] x) => (float[2,3] a, float[C,D] z) { a, b = Split<axis=1>(x) \n z = Neg(b) }",
    ],
    ids=["integers", "unknown sizes", "public part"],
)
def test_it_stays(text: str) -> None:
    leaves_alone(SplitToSlices(), model(text))


def test_parts_stay_integers_between_integer_kernels() -> None:
    """ONNX Runtime makes a Split of them again, on 8-bit values."""
    source = model(
        """g (float[1,8,6,6] x) => (float[A,B,C,D] y) {
            r = Conv(x, w)
            a, b = Split<axis=1>(r)
            c = Conv(a, u)
            d = Concat<axis=1>(b, c)
            y = Conv(d, w)
        }""",
        w=weights(8, 8, 1, 1),
        u=weights(4, 4, 1, 1),
    )
    shipped = compiled(source, "a8w8", [feeds_of(source, seed=seed) for seed in range(3)])
    fast = optimized(shipped)
    assert still_float(shipped, fast) == []
    kinds = [node.op_type for node in fast.graph.node]
    assert kinds.count("DequantizeLinear") == kinds.count("QuantizeLinear") == 1
    assert kinds.count("QLinearConv") == 3
