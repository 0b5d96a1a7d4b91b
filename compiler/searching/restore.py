"""Bring a model within a goal: find what hurts, give the best buys back to float, in few runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .choose import Suspect, choose
from .cuts import Interval, scan
from .goal import Goal
from .trials import Trials
from .units import Units

__all__ = ["Restored", "restore"]

# An interval that carries less is not looked into.
_SHARE = 0.05
# Single units known to carry this much more than what is too much are enough to choose from.
_MARGIN = 1.2
_SCAN_RUNS, _CHOOSE_RUNS = 24, 16
# Good buys first, which leave room for others; where these are not enough, worse ones, then whatever there is room for.
_WAYS = ((1.0, True), (0.25, True), (0.25, False))
# Refusals in a row, by way: what was refused before comes first again, and is known.
_PATIENCE = (4, 8, 12)
# Weights alone: the node's own noise, without that of what it reads.
_OWN_SHARE = 0.25
# A node of fewer MACs, as a share of all, is cheap: sums, joins, what reduces channels.
_CHEAP = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What goes back to float.

    Attributes:
        names: The nodes.
        excess: What is left over what the goal allows; at most 1 is good enough.
    """

    names: frozenset[str]
    excess: float


def restore(trials: Trials, goal: Goal, *, cap: float, whatever_it_takes: bool = False) -> Restored:
    """The cheapest nodes found, in MACs, that bring the model within the goal.

    Args:
        trials: Scores what is tried.
        goal: What is allowed.
        cap: Most MACs, as a share of all, that may go back to float.
        whatever_it_takes: Where that is not enough, float spreads from the first node on until it is.
    """
    units = trials.units
    nothing: frozenset[str] = frozenset()
    whole = trials.excess(nothing, goal)
    if whole <= 1:
        return Restored(names=nothing, excess=whole)
    shares = {name: macs / max(1, units.total_macs) for name, macs in units.macs.items()}
    chosen = nothing
    for (thrift, frugal), patience in zip(_WAYS, _PATIENCE, strict=True):
        # What is left lies elsewhere than what there was.
        chosen = _bought(
            trials, goal, chosen, shares, cap=cap, thrift=thrift, frugal=frugal and cap < 1.0, patience=patience
        )
        if trials.excess(chosen, goal) <= 1:
            break
    left = trials.excess(chosen, goal)
    if left > 1 and whatever_it_takes:
        chosen, left = _spread(trials, goal, chosen)
    return Restored(names=chosen, excess=left)


def _bought(
    trials: Trials,
    goal: Goal,
    chosen: frozenset[str],
    shares: Mapping[str, float],
    *,
    cap: float,
    thrift: float,
    frugal: bool,
    patience: int,
) -> frozenset[str]:
    """The chosen nodes and the best buys of what is left to blame."""
    units, excess = trials.units, trials.excess(chosen, goal)
    intervals = scan(
        lambda count: trials.rough_loss(chosen | units.prefix(count), goal),
        len(units.units),
        whole=trials.rough_loss(chosen, goal),
        # What is cheap may be small: worse buys are looked for everywhere.
        share=_SHARE * thrift,
        enough=min(0.95, _MARGIN * (1 - 1 / excess)) if thrift >= 1 else 0.95,
        runs=_SCAN_RUNS,
    )
    return choose(
        lambda names: trials.burden(names, goal),
        _suspects(intervals, units),
        shares,
        whole=trials.burden(chosen, goal),
        cap=cap,
        runs=_CHOOSE_RUNS,
        chosen=chosen,
        thrift=thrift,
        frugal=frugal,
        patience=patience,
    )[0]


def _suspects(intervals: Sequence[Interval], units: Units) -> list[Suspect]:
    """Each interval with the neighbours that free what it reads; also by itself, and without what is dear in it."""
    whole = sum(each.drop for each in intervals)
    found = []
    for each in intervals:
        inside = units.units[each.start : each.end]
        gain = each.drop / whole if whole > 0 else 0.0
        if gain <= 0:
            continue
        names = frozenset[str]().union(*(unit.sources for unit in inside))
        found.append(Suspect(names=names, gain=gain))
        alone = frozenset(unit.name for unit in inside)
        cheap = frozenset(name for name in names if units.share(frozenset({name})) <= _CHEAP)
        found += [
            Suspect(names=some, gain=_OWN_SHARE * gain)
            for some in dict.fromkeys((alone, cheap))
            if some and some != names
        ]
    return found


def _spread(trials: Trials, goal: Goal, chosen: frozenset[str]) -> tuple[frozenset[str], float]:
    """The chosen nodes and the fewest first units that keep the goal; everything in float always does."""
    low, high = 0, len(trials.units.units)
    while high - low > 1:
        middle = (low + high) // 2
        if trials.excess(chosen | trials.units.prefix(middle), goal) <= 1:
            high = middle
        else:
            low = middle
    names = chosen | trials.units.prefix(high)
    return names, trials.excess(names, goal)
