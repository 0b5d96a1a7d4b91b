from __future__ import annotations

import pytest
from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.sum_to_add import SumToAdd


def test_two() -> None:
    rewrites(
        SumToAdd(),
        model("g (float[N,4] x, float[4] z) => (float[N,4] y) { a = Relu(x) \n y = Sum(z, a) }"),
        """
        a = Relu(x)
        y = Add(z, a)
        """,
    )


def test_one_value_twice() -> None:
    rewrites(SumToAdd(), model("g (float[N,4] x) => (float[N,4] y) { y = Sum(x, x) }"), "y = Add(x, x)")


@pytest.mark.parametrize("operands", ["x", "x, x, x"])
def test_it_stays(operands: str) -> None:
    leaves_alone(SumToAdd(), model(f"g (float[N,4] x) => (float[N,4] y) {{ y = Sum({operands}) }}"))
