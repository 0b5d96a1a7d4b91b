"""Which kind of int8 ships, from told errors and latencies."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from edgec.compiler.searching.candidates import Candidate
from edgec.compiler.searching.rivals import Rival, choose_rival
from edgec.compiler.searching.speed import Ratio
from edgec.passes.recipe import Recipe

STATIC, BETWEEN, DYNAMIC = "static", "static, float between", "dynamic"


def rival(kind: str, excess: float, ratio: float, doubt: float = 0.03) -> Rival:
    measured = Ratio(ratio=ratio, low=ratio - doubt, high=ratio + doubt, lost=0.0, pairs=9, busy=1.0)
    model = ir.Model(ir.Graph([], [], nodes=[]), ir_version=8)
    made = Candidate(recipe=Recipe(scheme="a8w8", passes=()), model=model, reports=())
    return Rival(kind=kind, made=made, excess=excess, ratio=measured)


@pytest.mark.parametrize(
    ("static", "between", "dynamic", "chosen"),
    [
        ((1.2, 0.5), (0.3, 0.52), (0.1, 0.53), DYNAMIC),  # about as fast: the least noisy
        ((1.2, 0.5), (0.3, 0.45), (0.1, 0.6), BETWEEN),  # a third slower does not pay
        ((1.2, 0.5), (1.3, 0.4), (0.1, 0.5), None),  # what is fastest is too noisy, and what is not, too slow
        ((1.2, 1.5), (0.3, 1.2), (0.1, 1.1), None),  # all slower than float
        ((0.5, 0.5), (2.0, 0.5), (2.0, 0.5), None),  # the others are no better
    ],
)
def test_the_least_noisy_of_the_fastest_that_keep_the_goal(
    static: tuple[float, float], between: tuple[float, float], dynamic: tuple[float, float], chosen: str | None
) -> None:
    found = [rival(STATIC, *static), rival(BETWEEN, *between), rival(DYNAMIC, *dynamic)]
    best = choose_rival(found)
    assert (None if best is None else best.kind) == chosen


def test_what_may_be_as_slow_as_float_is_not_taken() -> None:
    static = rival(STATIC, 1.2, 1.0)
    assert choose_rival([static, rival(BETWEEN, 0.3, 0.85, doubt=0.1)]) is not None
    assert choose_rival([static, rival(BETWEEN, 0.3, 0.85, doubt=0.2)]) is None
