"""Sizes are polynomials: what holds of their numbers holds of them; and what a graph computes of sizes is followed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model
from support.numerics import run

from edgec.passes.fuse.size import Size
from edgec.passes.fuse.sizes import Sizes

NUMBERS = {"B": 3, "T": 5, "P": 7}
terms = st.lists(
    st.tuples(st.sampled_from([(), ("B",), ("T",), ("B", "T"), ("P", "P")]), st.integers(-4, 4)), max_size=4
)


def size_of(parts: list[tuple[tuple[str, ...], int]]) -> Size:
    total = Size.of(0)
    for symbols, factor in parts:
        term = Size.of(factor)
        for symbol in symbols:
            term *= Size.of(symbol)
        total += term
    return total


def number_of(size: Size, numbers: Mapping[str, int] = NUMBERS) -> int:
    return sum(factor * int(np.prod([numbers[symbol] for symbol in symbols])) for symbols, factor in size.terms)


@given(terms, terms)
def test_sums_and_products_are_those_of_the_numbers(one: list, other: list) -> None:
    a, b = size_of(one), size_of(other)

    assert number_of(a + b) == number_of(a) + number_of(b)
    assert number_of(a - b) == number_of(a) - number_of(b)
    assert number_of(a * b) == number_of(a) * number_of(b)
    assert (a == b) == ((a - b).number == 0)


@given(terms, st.sampled_from([("B",), ("T", "P"), ()]), st.integers(1, 5))
def test_a_quotient_is_whole(one: list, symbols: tuple[str, ...], factor: int) -> None:
    a, divisor = size_of(one), size_of([(symbols, factor)])

    assert (a * divisor).over(divisor) == a


def test_what_is_no_whole_quotient() -> None:
    tokens, two = Size.of("T"), Size.of(2)

    assert tokens.over(two) is None
    assert two.over(tokens) is None
    assert (tokens + two).over(tokens) is None
    assert (tokens + two).over(tokens + two) == Size.of(1)


GRAPH = """
g (float[B,T,12] x, float[B,2,P,6] past) => (float[B,2,N,6] joined, float[B,N,12] y) {
    s = Shape(x)  first = Slice(s, zero, two)  parts = Concat <axis = 0> (first, two, six)
    h = Reshape(x, parts)  t = Transpose <perm = [0, 2, 1, 3]> (h)
    joined = Concat <axis = 2> (past, t)
    u = Transpose <perm = [0, 2, 1, 3]> (joined)  y = Reshape(u, wide)
}
"""


def built() -> ir.Model:
    numbers = {"zero": [0], "two": [2], "six": [6], "wide": [0, -1, 12]}
    return model(GRAPH, infer=False, **{name: np.asarray(value) for name, value in numbers.items()})


@pytest.mark.parametrize(
    ("name", "expected"), [("h", "B T 2 6"), ("t", "B 2 T 6"), ("u", "B T+P 2 6"), ("y", "B T+P 12")]
)
def test_sizes_of_a_cache_that_grows(name: str, expected: str) -> None:
    found = built()
    value = next(each for node in found.graph for each in node.outputs if each.name == name)

    dims = Sizes(found.graph).of(value)

    wanted = [size_of([((), int(each)) if each.isdecimal() else ((each,), 1) for each in one.split("+")])
              for one in expected.split()]  # fmt: skip
    assert list(dims or ()) == wanted


def test_sizes_are_those_of_what_runs() -> None:
    found = built()
    sizes, feeds = Sizes(found.graph), feeds_of(found, sizes=NUMBERS)

    answers = run(found, feeds)

    for value in found.graph.outputs:
        dims = sizes.of(value)
        assert dims is not None
        assert tuple(number_of(size) for size in dims) == answers[str(value.name)].shape


def test_symbols_that_meet_are_one() -> None:
    found = model("g (float[A,4] x, float[B,4] y) => (float[A,4] z) { z = Add(x, y) }", infer=False)
    sizes = Sizes(found.graph)

    one, other = (sizes.of(value) for value in found.graph.inputs)

    assert one == other


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 2**62, "S"), (1, 2**62, "S-1"), (0, -1, "S-1"), (-1, 2**62, "1"), (0, 1, "1"), (0, 4, None), (-4, 2**62, None),
     (4, 2**62, None), (0, -4, None)],
)  # fmt: skip
def test_a_slice_that_may_end_beyond_what_it_cuts(start: int, end: int, expected: str | None) -> None:
    """Four tokens at most of S are four, or S: nobody knows which."""
    found = model(
        "g (float[S,2] x) => (float[N,2] y) { y = Slice(x, start, end, zero) }",
        infer=False, start=np.array([start]), end=np.array([end]), zero=np.array([0]),
    )  # fmt: skip

    dims = Sizes(found.graph).of(found.graph.outputs[0])

    tokens, one = Size.of("S"), Size.of(1)
    assert dims is not None
    assert dims[0] == {"S": tokens, "S-1": tokens - one, "1": one, None: Size.of("N")}[expected]
