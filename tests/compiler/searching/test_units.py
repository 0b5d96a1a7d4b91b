"""What can go back to float, and the neighbours it needs; what all candidates share is done once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from support.graphs import model, weights
from support.recipes import measure_on

from edgec.compiler.searching.candidates import Candidates
from edgec.compiler.searching.units import units_of
from edgec.passes.observe.statistics import Need
from edgec.passes.quantize.decide import DecideQuantization
from edgec.passes.quantize.decision import decided_nodes
from edgec.targets import find_target
from edgec.targets.pipeline import Policy, recipe_for

SAMPLES = [{"x": np.random.default_rng(k).standard_normal((1, 8, 8, 8)).astype(np.float32)} for k in range(3)]


def residual() -> ir.Model:
    return model(
        """g (float[1, 8, 8, 8] x) => (float[1, 8, 4, 4] y) {
            [a] a = Conv<pads = [1, 1, 1, 1]>(x, wa)
            [p] p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)
            [b] b = Conv<pads = [1, 1, 1, 1]>(p, wb)
            [s] s = Add(b, p)
            [c] y = Conv<pads = [1, 1, 1, 1]>(s, wc)
        }""",
        wa=weights(8, 8, 3, 3, seed=1),
        wb=weights(8, 8, 3, 3, seed=2),
        wc=weights(8, 8, 3, 3, seed=3),
    )


def recipe(*names: str):
    return recipe_for(find_target("x86-64-vnni"), Policy(scheme="a8w8", float_nodes=names))


class Counting:
    """A measure that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._measure = measure_on(SAMPLES)

    def __call__(self, each: ir.Model, needs: Sequence[Need]) -> None:
        self.asked += [need.value for need in needs]
        self._measure(each, needs)


def test_a_unit_knows_who_must_be_float_for_what_it_reads_to_be_float() -> None:
    candidates = Candidates(source=residual(), measure=measure_on(SAMPLES))
    first = candidates.build(recipe())
    decide = next(each for each in first.recipe.passes if isinstance(each, DecideQuantization))
    found = units_of(candidates.prepared, decide)
    sources = {unit.name: unit.sources for unit in found.units}
    assert sources == {
        "a": {"a"},
        "b": {"a", "p", "b", "s"},  # through the pool, and the Add that reads the pool too
        "s": {"b", "p", "a", "s"},
        "c": {"s", "c"},
    }
    # 8 channels are widened to 16 between convolutions.
    assert found.macs == {"a": 16 * 64 * 72, "b": 16 * 16 * 144, "c": 8 * 16 * 144}
    assert found.total_macs == 7 * 256 * 72
    assert found.share(frozenset({"b", "s"})) == 2 / 7
    asked = units_of(candidates.prepared, decide, candidates.source)  # without the channels that were added
    assert asked.macs == {"a": 8 * 64 * 72, "b": 8 * 16 * 72, "c": 8 * 16 * 72}
    assert asked.total_macs == 96 * 8 * 72
    assert found.prefix(2) == {"a", "b"}
    assert found.none_left(frozenset({"a", "b", "c"}))
    assert not found.none_left(frozenset({"a", "b", "s"}))


def test_rows_that_are_no_longer_known_are_counted_as_the_source_has_them() -> None:
    source = model(
        """g (float[1, 6, 8] x) => (float[1, 6, 8] y) {
            [m] m = MatMul(x, w)
            [a] y = Add(m, b)
        }""",
        w=weights(8, 8, seed=1),
        b=weights(8, seed=2),
    )
    samples = [{"x": np.random.default_rng(k).standard_normal((1, 6, 8)).astype(np.float32)} for k in range(3)]
    candidates = Candidates(source=source, measure=measure_on(samples))
    first = candidates.build(recipe())
    decide = next(each for each in first.recipe.passes if isinstance(each, DecideQuantization))
    for value in (value for node in candidates.prepared.graph for value in node.outputs):
        value.shape = None
    found = units_of(candidates.prepared, decide, candidates.source)
    assert (found.macs, found.total_macs) == ({"m": 6 * 8 * 8}, 6 * 8 * 8)


def test_what_candidates_share_is_observed_once_and_the_source_is_left_alone() -> None:
    source, counting = residual(), Counting()
    before = ir.serde.serialize_model(source).SerializeToString()
    candidates = Candidates(source=source, measure=counting)
    candidates.build(recipe())
    asked = len(counting.asked)
    again = candidates.build(recipe("c"))
    assert len(counting.asked) == asked
    assert "c" not in {node.name for node, _ in decided_nodes(again.model.graph)}
    assert ir.serde.serialize_model(source).SerializeToString() == before


def test_a_candidate_built_after_others_is_the_one_built_first() -> None:
    fresh = Candidates(source=residual(), measure=measure_on(SAMPLES)).build(recipe("b"))
    candidates = Candidates(source=residual(), measure=measure_on(SAMPLES))
    candidates.build(recipe())
    candidates.build(recipe("c"))
    late = candidates.build(recipe("b"))
    one, two = (ir.serde.serialize_model(each.model).SerializeToString() for each in (fresh, late))
    assert one == two
    assert [each.name for each in late.reports] == [each.name for each in fresh.reports]
    assert [each.index for each in late.reports] == list(range(len(late.reports)))
