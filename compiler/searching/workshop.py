"""The candidates a search can ask for, by what they keep in float."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

from ...passes.lower.drop_shapes import DropShapes
from ...passes.recipe import Recipe
from ...targets.pipeline import recipe_for
from ...targets.policy import Policy
from ...targets.spec import TargetSpec
from .candidates import Candidate, Candidates

__all__ = ["Workshop"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Builds candidates for one target under one policy.

    Attributes:
        candidates: Builds the candidate of a recipe.
        target: The target.
        policy: What the user asked for, the scheme resolved.
        wide: Nodes that are named get 16-bit activations instead of float.
    """

    candidates: Candidates
    target: TargetSpec
    policy: Policy
    wide: bool = False

    def recipe(self, names: Set[str], *, small: bool = False) -> Recipe:
        """The recipe with these nodes in float, or in 16 bits.

        Args:
            names: The nodes, beside those the user named.
            small: Store their weights in few bits all the same, expanded when the model is loaded.
        """
        if self.wide:
            wide = tuple(sorted(names | {*self.policy.wide_nodes}))
            return recipe_for(self.target, replace(self.policy, wide_nodes=wide))
        return recipe_for(
            self.target,
            replace(
                self.policy,
                float_nodes=tuple(sorted(names | {*self.policy.float_nodes})),
                float_weights=tuple(sorted((set() if small else names) | {*self.policy.float_weights})),
            ),
        )

    def mixed(self, names: Set[str], *, small: bool = False) -> Candidate:
        """Islands of float in integers; arguments as those of `recipe`."""
        return self.candidates.build(self.recipe(names, small=small))

    def trial(self, names: Set[str]) -> Candidate:
        """The same to be judged, not shipped: nobody reads its file, so that nothing is left out of it."""
        recipe = self.recipe(names)
        passes = tuple(each for each in recipe.passes if not isinstance(each, DropShapes))
        return self.candidates.build(replace(recipe, passes=passes))

    def weights_alone(self) -> Candidate:
        """Float kernels, weights stored in 8 bits: as fast as float by construction."""
        policy = replace(self.policy, scheme="w8", weight_form="folded", rounding="nearest", in_turn=False)
        return self.candidates.build(recipe_for(self.target, policy))

    def dynamic(self) -> Candidate:
        """Integer MatMul and Gemm with ranges taken at run time."""
        return self._of_scheme("d8w8")

    def in_float(self) -> Candidate:
        """The model as it is, rewritten exactly."""
        return self._of_scheme("float")

    def _of_scheme(self, scheme: str) -> Candidate:
        return self.candidates.build(recipe_for(self.target, replace(self.policy, scheme=scheme)))
