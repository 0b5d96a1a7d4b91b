from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites
from support.state import signature

from edgec.passes.normalize.fold_shapes import FoldShapes

ONE = np.array([1], np.int64)
# What exporters write of `x.view(x.shape[0], -1)`, twice: the second Shape is of a value of unknown size.
TWICE = """g (float[2,3,4] x) => (float[K,L] y) {
    s = Shape(x)
    n = Gather(s, first)
    r = Concat<axis=0>(n, rest)
    a = Reshape(x, r)
    b = Relu(a)
    t = Shape(b)
    m = Gather(t, first)
    q = Concat<axis=0>(rest, m)
    y = Reshape(b, q)
}"""


def test_what_is_computed_of_shapes_in_turns() -> None:
    made = model(TWICE, infer=False, first=np.array([0], np.int64), rest=np.array([-1], np.int64))
    rewrites(
        FoldShapes(),
        made,
        """
        a = Reshape(x, r_folded)
        b = Relu(a)
        y = Reshape(b, q_folded)
        """,
    )
    sizes = {value.name: str(value.shape) for node in made.graph for value in node.outputs}
    assert sizes == {"a": "[2,12]", "b": "[2,12]", "y": "[K,L]"}


def test_a_free_dimension_keeps_its_computation() -> None:
    made = model(
        "g (float[N,3] x) => (float[K] y) { s = Shape(x) \n r = ReduceProd<keepdims=1>(s) \n y = Reshape(x, r) }"
    )
    assert [node.op_type for node in leaves_alone(FoldShapes(), made).graph] == ["Shape", "ReduceProd", "Reshape"]


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.integers(0, 3))
def test_any_flattening_of_fixed_sizes(sizes: list[int], axis: int) -> None:
    """Whatever is kept of the shape, it is constant, and the answers and the signature stay."""
    axis %= len(sizes)
    dims = ",".join(map(str, sizes))
    text = f"""g (float[{dims}] x) => (float[K,L] y) {{
        s = Shape(x)
        n = Gather(s, kept)
        r = Concat<axis=0>(n, rest)
        y = Reshape(x, r)
    }}"""
    made = model(text, infer=False, kept=np.array([axis], np.int64), rest=np.array([-1], np.int64))
    feeds, promised = feeds_of(made), signature(made)
    before = run(made, feeds)
    assert FoldShapes()(made).modified
    assert [node.op_type for node in made.graph] == ["Reshape"]
    assert signature(made) == promised
    assert_same(before, run(made, feeds))
