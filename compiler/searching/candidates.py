"""Build many versions of one model: what all recipes have in common runs once, what is observed is observed once."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from ...passes.base import Pass
from ...passes.observe.statistics import Need, observation_of, set_observation
from ...passes.quantize.decide import DecideQuantization
from ...passes.recipe import Recipe
from ..observers import SignatureGuard
from ..pipeline import Measure, PassObserver, PassReport, run_passes
from ..planning.memory import give_back, resident_bytes

__all__ = ["Candidate", "Candidates"]

# Python meets dropped graphs, which are cyclic, long after the fact. A collection takes a tenth of a second.
_DROPPED_BYTES = 24 << 20


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """One version of a model.

    Attributes:
        recipe: What made it.
        model: What would ship.
        reports: One report per pass.
    """

    recipe: Recipe
    model: ir.Model
    reports: Sequence[PassReport]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Start:
    """Where recipes part.

    Attributes:
        head: The passes until there.
        model: What they left, with what was observed of it since.
        reports: One report per pass.
    """

    head: tuple[Pass, ...]
    model: ir.Model
    reports: Sequence[PassReport]


@dataclass(kw_only=True, slots=True)
class Candidates:
    """Builds candidates from the model as it was loaded.

    Recipes of one compile differ from one pass on: `DecideQuantization`, or `fork`. The passes before it run once and
    leave a model that every later candidate starts from; what a candidate's passes observe is remembered there. Where
    other passes come before it, as one more rewrite that is tried, both models are remembered: they share what was not
    rewritten.

    Attributes:
        source: The loaded model; never changed.
        measure: Observes values of a model.
        fork: The pass from which on they differ.
    """

    source: ir.Model
    measure: Measure
    fork: type[Pass] = DecideQuantization
    _starts: list[_Start] = field(default_factory=list, init=False)
    _held: int = field(default=0, init=False)

    @property
    def prepared(self) -> ir.Model:
        """The model where recipes part: exact rewrites done, nothing decided."""
        assert self._starts, "build a candidate first"
        return self._starts[-1].model

    def prepared_for(self, recipe: Recipe) -> ir.Model:
        """The same of one recipe, whatever was built since: its values are those that its ranges were taken of."""
        return self._start(self._parts(recipe)[0], (SignatureGuard(),)).model

    def build(self, recipe: Recipe, observers: Sequence[PassObserver] = ()) -> Candidate:
        """The candidate of a recipe.

        Args:
            recipe: The passes.
            observers: Who watches them beside the signature guard; passes that ran for an earlier candidate
                are not watched again.
        """
        self._collect()
        head, tail = self._parts(recipe)
        watching = (SignatureGuard(), *observers)
        if not head and self._starts:
            model = self.source.clone()
            return Candidate(recipe=recipe, model=model, reports=self._run(model, tail, watching))
        start = self._start(head, watching)
        model = start.model.clone()
        shared = _SharedObservations(start.model, self.measure)
        after = run_passes(model, tail, measure=shared.observe, observers=(*watching, shared))
        reports = [*start.reports, *(replace(each, index=each.index + len(head)) for each in after)]
        return Candidate(recipe=recipe, model=model, reports=reports)

    def _parts(self, recipe: Recipe) -> tuple[tuple[Pass, ...], tuple[Pass, ...]]:
        """The passes before the fork and from it on; a recipe without it has nothing in common with others."""
        at = next((k for k, each in enumerate(recipe.passes) if isinstance(each, self.fork)), 0)
        return recipe.passes[:at], recipe.passes[at:]

    def _start(self, head: tuple[Pass, ...], watching: Sequence[PassObserver]) -> _Start:
        """What these passes leave; of all there were, the last two are remembered, the latest last."""
        start = next((each for each in self._starts if each.head == head), None)
        if start is None:
            model = self.source.clone()
            start = _Start(head=head, model=model, reports=self._run(model, head, watching))
        self._starts = [*(each for each in self._starts if each is not start), start][-2:]
        return start

    def _collect(self) -> None:
        """Free candidates that were dropped, once they may be large."""
        if self._held and resident_bytes() - self._held > _DROPPED_BYTES:
            gc.collect()
            give_back()
            self._held = resident_bytes()
        self._held = self._held or resident_bytes()

    def _run(self, model: ir.Model, passes: Sequence[Pass], observers: Sequence[PassObserver]) -> list[PassReport]:
        return run_passes(model, passes, measure=self.measure, observers=observers)


class _SharedObservations:
    """Observes for a candidate and leaves a copy on the model all candidates start from.

    Once a pass of the candidate changed values, what it observes is its own.
    """

    def __init__(self, prepared: ir.Model, measure: Measure) -> None:
        self._values = _values_by_name(prepared)
        self._measure = measure
        self._own = False

    def observe(self, model: ir.Model, needs: Sequence[Need]) -> None:
        self._measure(model, needs)
        if self._own:
            return
        seen = _values_by_name(model)
        for need in needs:
            observed = observation_of(seen[need.value], need.statistic)
            if observed is not None and need.value in self._values:
                set_observation(self._values[need.value], need.statistic, observed)

    def before(self, each: Pass, model: ir.Model) -> None:
        del each, model

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        del model
        self._own |= report.modified and each.invalidates


def _values_by_name(model: ir.Model) -> dict[str, ir.Value]:
    values = (*model.graph.inputs, *(value for node in model.graph for value in node.outputs))
    return {str(value.name): value for value in values}
