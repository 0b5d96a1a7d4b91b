from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.flatten_to_reshape import FlattenToReshape


def test_behind_a_pool() -> None:
    made = rewrites(
        FlattenToReshape(),
        model("g (float[2,3,4,4] x) => (float[2,3] y) { a = GlobalAveragePool(x) \n y = Flatten(a) }"),
        """
        a = GlobalAveragePool(x)
        y = Reshape(a, y_shape)
        """,
    )
    assert made.graph.initializers["y_shape"].const_value.numpy().tolist() == [2, 3]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(-4, 4))
def test_any_axis(sizes: list[int], axis: int) -> None:
    axis = max(min(axis, len(sizes)), -len(sizes))
    dims = ",".join(map(str, sizes))
    made = model(f"g (float[{dims}] x) => (float[K,L] y) {{ y = Flatten<axis={axis}>(x) }}")
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert FlattenToReshape()(made).modified
    assert_same(before, run(made, feeds), tolerance=0.0)


@pytest.mark.parametrize("shape", ["N,3,4", "0,3,4"])
def test_it_stays(shape: str) -> None:
    leaves_alone(FlattenToReshape(), model(f"g (float[{shape}] x) => (float[K,L] y) {{ y = Flatten(x) }}"))
