"""Faults: few cheap nodes that make nearly all of the noise go back to float before anything else is compared.

What they do hides the rest: of espnetv2_05_voc's noise one convolution with 0.3 % of the MACs makes 94 %, and the ways
of taking ranges and of scaling channels that were best for this one value were worse for all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .candidates import Candidate
from .cuts import scan
from .goal import Goal
from .record import faults_note, rounded
from .trials import Trials

__all__ = ["Faults", "without_faults"]

# Noise this many times what is allowed is a fault's, not the sum of what all nodes do.
_FAULTY = 10.0
# Most MACs, as a share of all: dearer nodes are compared with other repairs.
_CAP = 0.02
# A fault makes at least this share of the noise, and a run has to show it.
_BLAME, _GAIN = 0.3, 0.5
_RUNS, _MOST = 12, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What is in float on account of a fault.

    Attributes:
        made: The candidate.
        names: The nodes.
        notes: What the reader must know; nothing where there is no such fault.
        record: What was measured, for `recipe.lock`; empty where there is no such fault.
    """

    made: Candidate
    names: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)


def without_faults(made: Candidate, trials: Trials, goal: Goal) -> Faults:
    """Give the nodes back to float that are cheap and to blame for nearly all; `trials` builds so from then on.

    Args:
        made: The candidate as it is, with what `trials` has in float.
        trials: Builds and scores others.
        goal: What is allowed.
    """
    before = trials.excess(frozenset(), goal)
    if trials.shop.target.wide_share is not None:
        return Faults(made=made)  # 16 bits mend it
    names, left = frozenset[str](), before
    for _ in range(_MOST):
        names, after = _next(trials, goal, names, left) if left > _FAULTY else (names, left)
        if after == left:
            break
        left = after
    if not names:
        return Faults(made=made)
    share = trials.units.share(names)
    record = {"nodes": sorted(names), "mac_share": rounded(share), "excess": [rounded(before), rounded(left)]}
    candidate = trials.shop.mixed(names | trials.base)
    trials.start_from(names | trials.base, candidate.model)
    note = faults_note(len(names), share, left / before)
    return Faults(made=candidate, names=names, notes=(note,), record=record)


def _next(trials: Trials, goal: Goal, names: frozenset[str], left: float) -> tuple[frozenset[str], float]:
    """With the worst cheap node, and what is left then; as it was where there is none."""
    units = trials.units
    whole = trials.rough_loss(names, goal)
    intervals = scan(
        lambda count: trials.rough_loss(names | units.prefix(count), goal),
        len(units.units),
        whole=whole,
        share=_BLAME,
        enough=_BLAME,
        runs=_RUNS,
    )
    guilty = [each for each in intervals if each.end - each.start == 1 and each.drop >= _BLAME * whole]
    for each in sorted(guilty, key=lambda each: -each.drop):
        unit = units.units[each.start]
        for more in (names | {unit.name}, names | unit.sources):
            if names < more and units.share(more) <= _CAP and not units.none_left(more | trials.base):
                after = trials.excess(more, goal)
                if after <= _GAIN * left:
                    return more, after
    return names, left
