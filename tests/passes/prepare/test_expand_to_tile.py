from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import assert_same, run
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.expand_to_tile import ExpandToTile


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_ones_grow() -> None:
    made = rewrites(
        ExpandToTile(),
        model("g (float[2,1,4] x) => (float[2,3,4] y) { y = Expand(x, s) }", s=_i(2, 3, 4)),
        "y = Tile(x, y_Tile_by)",
    )
    assert made.graph.initializers["y_Tile_by"].const_value.numpy().tolist() == [1, 3, 1]


def test_dimensions_are_added() -> None:
    rewrites(
        ExpandToTile(),
        model("g (float[4] x) => (float[2,3,4] y) { y = Expand(x, s) }", s=_i(2, 3, 1)),
        """
        y_Reshape_Output = Reshape(x, y_Reshape_by)
        y = Tile(y_Reshape_Output, y_Tile_by)
        """,
    )


def test_nothing_grows() -> None:
    rewrites(
        ExpandToTile(),
        model("g (float[2,4] x) => (float[2,4] y) { a = Expand(x, s) \n y = Relu(a) }", s=_i(1, 4)),
        "y = Relu(x)",
    )


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4), st.integers(0, 2))
def test_any_broadcast(dims: list[tuple[int, bool]], more: int) -> None:
    """Sizes, which of them are 1 in x, and how many are missing in front there."""
    sizes = [size for size, _ in dims]
    inside = [1 if one else size for size, one in dims][min(more, len(dims)) :]
    made = model(
        f"g (float[{','.join(map(str, inside))}] x) => (float[{','.join(map(str, sizes))}] y)"
        " { a = Expand(x, s) \n y = Relu(a) }".replace("float[]", "float"),
        s=np.array(sizes, np.int64),
    )
    if not inside:
        return  # ONNX text has no scalar inputs of this spelling
    feeds = feeds_of(made)
    before = run(made, feeds)
    assert ExpandToTile()(made).modified
    assert not any(node.op_type == "Expand" for node in made.graph)
    assert_same(before, run(made, feeds), tolerance=0.0)


@pytest.mark.parametrize(
    ("inputs", "outputs"), [("float[N,1] x, int64[2] s", "float[K,L] y"), ("float[2,1] x, int64[2] s", "float[K,L] y")]
)
def test_unknown_sizes_stay(inputs: str, outputs: str) -> None:
    leaves_alone(ExpandToTile(), model(f"g ({inputs}) => ({outputs}) {{ y = Expand(x, s) }}"))


def test_an_output_that_is_its_input_stays() -> None:
    leaves_alone(ExpandToTile(), model("g (float[2,4] x) => (float[2,4] y) { y = Expand(x, s) }", s=_i(2, 4)))
