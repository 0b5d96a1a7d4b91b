from __future__ import annotations

import pytest
from support.graphs import model, weights
from support.rewrites import leaves_alone, rewrites

from edgec.passes.prepare.slopes_per_channel import SlopesPerChannel

TWO = "g (float[2,3,4,4] x) => (float[2,3,4,4] y) { a = PRelu(x, s) \n y = PRelu(a, s) }"


def test_slopes_of_four_dimensions_once_for_all_readers() -> None:
    made = rewrites(
        SlopesPerChannel(),
        model(TWO, s=weights(1, 3, 1, 1)),
        """
        a = PRelu(x, s_per_channel)
        y = PRelu(a, s_per_channel)
        """,
    )
    assert made.graph.initializers["s_per_channel"].shape == (3, 1, 1)


@pytest.mark.parametrize("shape", [(3, 1, 1), (1,), (2, 3, 1, 1)])
def test_others_stay(shape: tuple[int, ...]) -> None:
    leaves_alone(SlopesPerChannel(), model(TWO, s=weights(*shape)))


def test_slopes_that_are_computed_stay() -> None:
    leaves_alone(
        SlopesPerChannel(),
        model("g (float[2,3,4,4] x, float[1,3,1,1] s) => (float[2,3,4,4] y) { y = PRelu(x, s) }"),
    )
