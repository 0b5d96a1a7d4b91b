"""Balanced channels by gain: where the goal is missed, factors across layers are tried as a whole.

They are exact in float, and what they buy in integers is estimated with noise that is independent and reaches the
outputs through every activation; so a run decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .candidates import Candidate
from .goal import Goal
from .record import rounded
from .trials import Trials
from .typical import typical_ratio

__all__ = ["Balanced", "better_channels"]

# Less than this is as likely to be these samples' as the model's.
_BETTER = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Balanced:
    """Whether channels are balanced.

    Attributes:
        made: The candidate.
        notes: What the reader must know; nothing where channels stay as they are.
        record: Excess without and with, for `recipe.lock`; empty where channels stay as they are.
    """

    made: Candidate
    notes: tuple[str, ...] = ()
    record: dict[str, float | None] | None = None


def better_channels(made: Candidate, trials: Trials, goal: Goal) -> Balanced:
    """Balance channels where the goal is missed and that helps; `trials` builds so from then on.

    Args:
        made: The candidate as it is, with what `trials` has in float.
        trials: Builds and scores others.
        goal: What is allowed.
    """
    usual = trials.excess(frozenset(), goal)
    policy = trials.shop.policy
    if usual <= 1 or policy.balance or policy.equalize or policy.smooth != "off":
        return Balanced(made=made)  # good enough, or factors are the user's
    before = trials.bench.score_each(made.model)
    shop = replace(trials.shop, policy=replace(policy, balance=True))
    candidate = shop.mixed(trials.base, small=True)
    excess = goal.excess(trials.bench.score(candidate.model))
    if excess >= _BETTER * usual or typical_ratio(before, trials.bench.score_each(candidate.model), goal) > 1:
        return Balanced(made=made)
    trials.shop = shop
    trials.start_from(trials.base, candidate.model)
    note = f"accuracy: channels balanced across layers, which leaves {excess / usual:.2g} of the noise"
    return Balanced(made=candidate, notes=(note,), record={"without": rounded(usual), "with": rounded(excess)})
