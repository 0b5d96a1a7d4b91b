"""Candidates by the nodes they keep in float, each built and scored once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from ...passes.quantize.decide import DecideQuantization
from .bench import Bench
from .goal import Goal
from .outputs import Fidelity
from .units import Units, units_of
from .workshop import Workshop

__all__ = ["Trials"]

Found = Mapping[str, Fidelity]


@dataclass(kw_only=True, slots=True)
class Trials:
    """What was tried.

    Attributes:
        shop: Builds them.
        bench: Scores them.
        decide: Decides what runs in integers; what goes back to float keeps its weights in float too.
        base: What is in float already; names given come on top.
    """

    shop: Workshop
    bench: Bench
    decide: DecideQuantization
    base: frozenset[str] = frozenset()
    _units: Units | None = field(default=None, init=False)
    _found: dict[frozenset[str], Found] = field(default_factory=dict, init=False)
    _rough: dict[frozenset[str], Found] = field(default_factory=dict, init=False)

    @property
    def units(self) -> Units:
        """What can go back to float."""
        if self._units is None:
            self._units = units_of(self.shop.candidates.prepared, self.decide, self.shop.candidates.source)
        return self._units

    @property
    def runs(self) -> int:
        """Candidates scored so far."""
        return len(self._found) + len(self._rough)

    def score(self, names: frozenset[str]) -> Found:
        """How far the outputs are from float's with these nodes in float."""
        if names not in self._found:
            self._found[names] = self._score(names, roughly=False)
        return self._found[names]

    def start_from(self, names: frozenset[str], model: ir.Model) -> None:
        """Keep these nodes in float from now on, as this model does."""
        self.base = names
        self._rough.clear()
        self._found = {frozenset(): self.bench.score(model)}

    def rough_loss(self, names: frozenset[str], goal: Goal) -> float:
        """The part of the excess that adds up over independent sources of noise, on a few samples."""
        if not self.bench.thins:
            return goal.loss(self.score(names))
        if names not in self._rough:
            self._rough[names] = self._score(names, roughly=True)
        return goal.loss(self._rough[names])

    def excess(self, names: frozenset[str], goal: Goal) -> float:
        """What is left over what the goal allows; at most 1 is good enough."""
        return goal.excess(self.score(names))

    def burden(self, names: frozenset[str], goal: Goal) -> float:
        """What is too much over all outputs; 1 is good enough."""
        return goal.burden(self.score(names))

    def _score(self, names: frozenset[str], *, roughly: bool) -> Found:
        if not self.shop.wide and self.units.none_left(names | self.base):
            return {name: form.identical for name, form in self.bench.forms.items()}
        self.bench.forget()
        return self.bench.score(self.shop.trial(names | self.base).model, roughly=roughly)
