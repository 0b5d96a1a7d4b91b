from __future__ import annotations

import numpy as np
import pytest
from support.graphs import model
from support.numerics import run
from support.rewrites import leaves_alone

from edgec.passes.edit import constant_array
from edgec.passes.prepare.within_half import WithinHalf

LOWEST = np.finfo(np.float32).min


def test_a_mask_of_floats_lowest_number_hides_as_well() -> None:
    """Written as exporters write it: 1 where a token is hidden, times float's lowest number."""
    body = "m = Mul(hidden, low) \n a = Add(s, m) \n y = Softmax(a)"
    text = f"g (float[1,4] s, float[1,4] hidden) => (float[1,4] y) {{ {body} }}"
    before = model(text, low=np.float32(LOWEST))
    after = before.clone()
    assert WithinHalf()(after).modified
    assert not WithinHalf()(after).modified
    (constant,) = [
        constant_array(value) for value in next(iter(after.graph)).inputs if constant_array(value) is not None
    ]
    assert float(constant) == -65504.0
    assert np.isfinite(constant.astype(np.float16))
    feeds = {"s": np.float32([[3, -2, 0.5, 9]]), "hidden": np.float32([[0, 0, 0, 1]])}
    assert np.array_equal(run(before, feeds)["y"], run(after, feeds)["y"])


def test_only_what_is_beyond_is_cut_and_readers_share_it() -> None:
    text = "g (float[3] x) => (float[3] y) { a = Add(x, c) \n y = Max(a, c) }"
    graph = model(text, c=np.float32([1.5, 1e9, -1e9]))
    assert WithinHalf()(graph).modified
    add, largest = graph.graph
    assert add.inputs[1] is largest.inputs[1]
    assert constant_array(add.inputs[1]).tolist() == [1.5, 65504.0, -65504.0]


@pytest.mark.parametrize(
    ("body", "constant"),
    [
        ("y = Add(x, c)", np.float32([1, 65504, -65504])),
        ("y = Pow(x, c)", np.float32([1, 1e9, 1])),
    ],
)
def test_it_stays(body: str, constant: np.ndarray) -> None:
    leaves_alone(WithinHalf(), model(f"g (float[3] x) => (float[3] y) {{ {body} }}", c=constant))


def test_integers_stay() -> None:
    text = "g (int64[3] x) => (int64[3] y) { y = Add(x, c) }"
    leaves_alone(WithinHalf(), model(text, c=np.array([1, 2**40, 3])))
