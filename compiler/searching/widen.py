"""16-bit activations for what hurts, where the target multiplies them: dearer than 8 bits, and still integers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ...targets.policy import widths
from .candidates import Candidate
from .goal import Goal
from .record import rounded, widened_note
from .restore import restore
from .trials import Trials
from .workshop import Workshop

__all__ = ["Widened", "widened"]

# A product of 16-bit activations takes about two of 8 bits on the HTP: at most this share of the MACs.
_CAP = 0.40
_WIDE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Widened:
    """What was given 16 bits.

    Attributes:
        made: The candidate.
        notes: What the reader must know; nothing where all stays in 8 bits.
        record: What was measured, for `recipe.lock`.
    """

    made: Candidate
    notes: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)


def widened(made: Candidate, trials: Trials, goal: Goal, *, narrow: Workshop) -> Widened:
    """Give 16-bit activations to the cheapest nodes that bring the model within the goal, and further where it is ours.

    `trials` builds upon them from then on; what is still too much is float's to mend.

    Args:
        made: The candidate in 8 bits, with what `trials` has in float.
        trials: Builds and scores others.
        goal: What is allowed; the target asks for less of what classes diverge by, unless the user limits SQNR.
        narrow: Builds candidates in 8 bits.
    """
    if trials.shop is not narrow:
        trials.shop = narrow
        trials.start_from(trials.base, made.model)
    asked = narrow.target.wide_share
    if asked is None or widths(narrow.policy.scheme)[0] == _WIDE:
        return Widened(made=made)
    goal = goal.surer(asked)
    if trials.excess(frozenset(), goal) <= 1:
        return Widened(made=made)
    trials.shop = replace(narrow, wide=True)
    restored = restore(trials, goal, cap=_CAP)
    before, after = trials.score(frozenset()), trials.score(restored.names)
    runs, share = trials.runs, trials.units.share(restored.names)
    wide = tuple(sorted(restored.names))
    if wide:
        made = trials.shop.mixed(restored.names | trials.base)
    trials.shop = replace(narrow, policy=replace(narrow.policy, wide_nodes=wide))
    trials.start_from(trials.base, made.model)
    if not wide:
        return Widened(made=made)
    record = {
        "nodes": list(wide),
        "mac_share": rounded(share),
        "excess": [rounded(goal.excess(before)), rounded(restored.excess)],
    }
    note = widened_note(len(wide), share, before, after, goal, runs)
    return Widened(made=made, notes=(note,), record={"wide": record})
