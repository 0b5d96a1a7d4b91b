"""One round of a search: what hurts goes back to float within the cap, and evaluation samples are asked."""

from __future__ import annotations

from dataclasses import dataclass

from .candidates import Candidate, Candidates
from .cap import cap_of
from .goal import Goal
from .hasten import Hastened
from .restore import Restored, restore
from .rounding import Rounding, better_rounding
from .trials import Trials
from .verify import Answer, Verifier
from .widen import Widened

__all__ = ["ROUNDS", "Round", "one_round"]

# A model this many times noisier than the goal has collapsed: it does not ship so, whatever that takes.
_COLLAPSED = 10.0
# How often evaluation samples may refuse; after each time, how many times the cap may go back to float.
ROUNDS = 4
_WIDER = (1.0, 1.0, 2.0, 4.0, 1e9)
_AS_GOOD = 1.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One choice, and what evaluation samples say of it.

    Attributes:
        goal: What it was to keep.
        rejected: How often they refused before.
        wide, restored, finer: Its steps.
        made: What would ship.
        answer: What they say of that.
    """

    goal: Goal
    rejected: int
    wide: Widened
    restored: Restored
    finer: Rounding
    made: Candidate
    answer: Answer


def one_round(
    hastened: Hastened,
    wide: Widened,
    trials: Trials,
    goal: Goal,
    rejected: int,
    verifier: Verifier | None,
    candidates: Candidates,
    *,
    besides: frozenset[str],
) -> Round | None:
    """Restore what hurts, within the cap; None where that leaves nothing in integers.

    Args:
        hastened: What the search started from.
        wide: What is restored.
        trials: Candidates, judged on samples they do not observe.
        goal: What is to be kept.
        rejected: How often evaluation samples have refused.
        verifier: Asks them again.
        candidates: Builds what ships, which observes all samples.
        besides: Nodes that are float already, which count towards the cap.
    """
    # The guard is ours: only a limit on SQNR, or evaluation samples that refuse again and again, are worth more than
    # its cap.
    cap = 1.0 if goal.sqnr_db is not None else min(1.0, cap_of(trials) * _WIDER[rejected])
    room = max(0.0, cap - trials.units.share(besides)) if cap < 1.0 else cap
    restored = restore(trials, goal, cap=room, whatever_it_takes=cap >= 1.0)
    if restored.excess > _COLLAPSED:
        restored = restore(trials, goal.tighter(1 / _COLLAPSED), cap=1.0, whatever_it_takes=True)
    if restored.names and trials.units.none_left(restored.names | trials.base):
        return None
    chosen = _mixed(restored, trials, goal) if restored.names else wide.made
    finer = better_rounding(chosen, trials, goal, restored.names | trials.base)
    recipe = finer.made.recipe
    trials.bench.forget()  # what ships may be observed first
    made = hastened.made if recipe == hastened.made.recipe else candidates.build(recipe)
    answer = Answer() if verifier is None else verifier.ask(made.model)
    return Round(goal=goal, rejected=rejected, wide=wide, restored=restored, finer=finer, made=made, answer=answer)


def _mixed(restored: Restored, trials: Trials, goal: Goal) -> Candidate:
    """The candidate with these nodes in float, their weights in 8 bits where that is as good."""
    names = restored.names | trials.base
    small = trials.shop.mixed(names, small=True)
    if goal.excess(trials.bench.score(small.model)) <= max(1.0, _AS_GOOD * restored.excess):
        return small
    return trials.shop.mixed(names)
