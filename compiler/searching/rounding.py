"""Rounding by gain: where the goal is still missed, integers of weights are chosen by what their layers lose (GPTQ).

It costs nothing when the model runs, and some seconds to compute: it is tried once, on what ships.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .candidates import Candidate
from .goal import Goal
from .record import rounded
from .trials import Trials
from .typical import typical_ratio

__all__ = ["Rounding", "better_rounding"]

# Less than this is as likely to be these samples' as the model's.
_BETTER = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounding:
    """How weights are rounded.

    Attributes:
        made: The candidate.
        notes: What the reader must know; nothing where weights are rounded to the nearest.
        record: Excess of both ways, for `recipe.lock`; None where weights are rounded to the nearest.
    """

    made: Candidate
    notes: tuple[str, ...] = ()
    record: dict[str, float | None] | None = None


def better_rounding(made: Candidate, trials: Trials, goal: Goal, names: frozenset[str]) -> Rounding:
    """Round weights by second order where the goal is missed and that helps.

    Args:
        made: The candidate that would ship.
        trials: Builds and scores others.
        goal: What is allowed.
        names: The nodes it has in float.
    """
    policy = trials.shop.policy
    usual = goal.excess(trials.bench.score(made.model))
    if usual <= 1 or policy.rounding != "nearest":
        return Rounding(made=made)  # good enough, or rounding is the user's
    before = trials.bench.score_each(made.model)
    candidate = replace(trials.shop, policy=replace(policy, rounding="gptq")).mixed(names, small=True)
    excess = goal.excess(trials.bench.score(candidate.model))
    if excess > _BETTER * usual or typical_ratio(before, trials.bench.score_each(candidate.model), goal) > 1:
        return Rounding(made=made)
    note = f"accuracy: weights rounded by what their layers lose, which leaves {excess / usual:.2g} of the noise"
    return Rounding(made=candidate, notes=(note,), record={"nearest": rounded(usual), "gptq": rounded(excess)})
