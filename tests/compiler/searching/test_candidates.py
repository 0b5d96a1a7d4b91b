"""What comes before the decisions runs once per rewrite that is tried, and what was observed behind it stays."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from support.graphs import feeds_of, graph_text, model, weights
from support.recipes import measure_on

from edgec.compiler.searching.candidates import Candidates
from edgec.passes.observe.statistics import Need
from edgec.targets import find_target
from edgec.targets.pipeline import Policy, recipe_for

TEXT = """g (float[1,4,8,8] x) => (float[1,4,8,8] y) {
    a = Conv(x, w1, b)
    r = LeakyRelu <alpha = 0.1> (a)
    y = Conv(r, w2)
}"""


class Counting:
    """A measure that counts its calls and what they were asked for."""

    def __init__(self, source: ir.Model) -> None:
        self.measure = measure_on([feeds_of(source)])
        self.asked: list[str] = []

    def __call__(self, model: ir.Model, needs: Sequence[Need]) -> None:
        self.asked += [f"{type(each.statistic).__name__} {each.value}" for each in needs]
        self.measure(model, needs)


def test_going_back_from_a_rewrite_observes_nothing_again() -> None:
    source = model(TEXT, w1=weights(8, 4, 1, 1), b=weights(8, seed=1), w2=weights(4, 8, 1, 1, seed=2))
    counting = Counting(source)
    candidates = Candidates(source=source, measure=counting)
    target = find_target("x86-64-vnni")
    plain, other = (recipe_for(target, Policy(scheme="a8w8", balance=balance)) for balance in (False, True))
    first = candidates.build(plain)
    without = candidates.prepared
    second = candidates.build(other)
    assert candidates.prepared is not without
    assert candidates.prepared_for(plain) is without
    candidates.build(other)
    assert graph_text(second.model) != graph_text(first.model)
    asked = len(counting.asked)
    again = candidates.build(plain)
    assert candidates.prepared is without
    assert graph_text(again.model) == graph_text(first.model)
    assert [each.name for each in again.reports] == [each.name for each in first.reports]
    candidates.build(other)
    assert len(counting.asked) == asked
