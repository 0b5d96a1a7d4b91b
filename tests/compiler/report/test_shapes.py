"""Shapes for people: short whatever an exporter wrote, and still telling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.report.shapes import shape_text


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (None, "[…]"),
        ([], "[]"),
        (["N", 3, 224, None], "[N, 3, 224, ?]"),
        (["N", "H/2 - 1", "floor(H/2) - 1"], "[N, H/2 - 1, floor(H/2) - 1]"),
        (["floor(floor(H/2 - 1/2)/2) - floor(H/4)*3"], "[f(H)]"),
        (["batch_size*floor(sequence/2 + 1)", 512], "[f(batch_size, sequence), 512]"),
        (["Gatherlogits_dim_0_of_a_decoder"], "[Gatherlog…a_decoder]"),
        (["a/b + c/d + e/f + g/h"], "[f(a, b, c, …)]"),
        (["1 + 2 + 3 + 4 + 5 + 6 + 7 + 8"], "[1 + 2 + 3…6 + 7 + 8]"),
    ],
)
def test_long_formulas_say_what_they_depend_on(shape: list[int | str | None] | None, text: str) -> None:
    assert shape_text(shape) == text


@given(st.lists(st.text(alphabet="abN0129 +-*/().,_", min_size=1, max_size=80), min_size=1, max_size=1))
def test_one_dimension_is_hardly_longer_than_what_it_stands_for(shape: list[str]) -> None:
    assert len(shape_text(shape)) <= len(shape[0]) + 10  # brackets, f(), commas
    if len(shape[0]) <= 20:
        assert shape_text(shape) == f"[{shape[0]}]"
