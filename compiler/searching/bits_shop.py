"""Versions of one model by the bits a weight has on average, each built once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import onnx_ir as ir

from ...passes.recipe import Recipe
from ...passes.weight_only.mix_bits import MixBits
from ...passes.weight_only.round_blocks import RoundBlocks
from ...passes.weight_only.round_in_turn import RoundInTurn
from ...targets.pipeline import recipe_for
from ...targets.policy import Policy
from ...targets.spec import TargetSpec
from ..pipeline import Measure
from .candidates import Candidate, Candidates

__all__ = ["BitsShop", "bytes_of"]


@dataclass(kw_only=True, slots=True)
class BitsShop:
    """Builds candidates for one target under one policy.

    Attributes:
        source: The loaded model; never changed.
        target: The target.
        policy: What the user asked for, the scheme resolved.
        measure: Observes values of a model: once, for all candidates.
        candidates: Builds them.
    """

    source: ir.Model
    target: TargetSpec
    policy: Policy
    measure: Measure
    candidates: Candidates = field(init=False)
    _last: tuple[float, Candidate] | None = field(default=None, init=False)
    _sizes: dict[float, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.candidates = Candidates(source=self.source, measure=self.measure, fork=MixBits)

    @property
    def mixes(self) -> bool:
        """Whether the target gives matrices bits of their own."""
        return any(isinstance(each, MixBits) for each in self.recipe(4.5).passes)

    def recipe(self, bpw: float) -> Recipe:
        """The passes for so many bits."""
        return recipe_for(self.target, replace(self.policy, fit_bits=False, target_bpw=bpw))

    def build(self, bpw: float) -> Candidate:
        """The candidate of so many bits; the one that was built last is kept."""
        if self._last is None or self._last[0] != bpw:
            self._last = None
            self._last = bpw, self.candidates.build(self.recipe(bpw))
        return self._last[1]

    def size(self, bpw: float) -> int:
        """Bytes of its file. Rounding has no say in them: it is done the quickest way."""
        if bpw not in self._sizes:
            recipe = self.recipe(bpw)
            quick = tuple(
                RoundBlocks() if isinstance(each, RoundBlocks) else each
                for each in recipe.passes
                if not isinstance(each, RoundInTurn)
            )
            model = self.candidates.build(replace(recipe, passes=quick)).model
            self._sizes[bpw] = bytes_of(model)
        return self._sizes[bpw]


def bytes_of(model: ir.Model) -> int:
    """Bytes of a model's file, weights included."""
    return int(ir.to_proto(model).ByteSize())
