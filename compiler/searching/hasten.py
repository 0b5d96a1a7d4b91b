"""Never slower than float: where integers cost time on this machine, other placements are timed, weights alone last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .candidates import Candidate
from .placement import cheaper_in_float
from .record import rounded
from .speed import Ratio, Stopwatch
from .trials import Trials

__all__ = ["Hastened", "hasten"]

# Fewer integers than this are not worth the conversions and the second set of kernels.
_LEAST_INTEGER_SHARE = 0.2
# A placement that is still slower must at least be this much better to be taken.
_BETTER = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Hastened:
    """What timing led to.

    Attributes:
        made: The candidate that is not slower, or the fastest that was allowed.
        names: Its nodes in float on account of time.
        final: Accuracy has been looked at, or is float's: nothing is left to search.
        notes: What the reader must know.
        record: What was measured, for `recipe.lock`; empty where nothing was changed.
    """

    made: Candidate
    names: frozenset[str] = frozenset()
    final: bool = False
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


def hasten(made: Candidate, trials: Trials, watch: Stopwatch, *, cap: float) -> Hastened:
    """Keep a candidate that is not slower than float; else find one that is not.

    Args:
        made: The candidate.
        trials: Builds others.
        watch: Times them.
        cap: Most MACs, as a share of all, that may be in float.
    """
    slow = watch.is_slower(made.model)
    if slow is None:
        return Hastened(made=made)
    names = _stretches(trials, watch)
    share = trials.units.share(names)
    told = f"{100 * share:.1f}% of the MACs run in float instead"
    found: tuple[Candidate, Ratio] | None = None
    if names and share <= min(cap, 1 - _LEAST_INTEGER_SHARE) and not trials.units.none_left(names):
        other = trials.shop.mixed(names, small=True)
        found = other, watch.ratio(other.model)
        if not found[1].slower:
            return _told(other, names, slow, found[1], told)
    if cap >= 1.0:
        what = "float kernels are kept, and weights stored in 8 bits"
        return replace(_told(trials.shop.weights_alone(), frozenset(), slow, None, what), final=True)
    if found is not None and found[1].ratio <= _BETTER * slow.ratio:
        return _told(found[0], names, slow, found[1], f"{told}, as much as the contract allows")
    note = f"latency: {slow.told} of float's on one thread here, and the contract allows no placement that is faster"
    return Hastened(made=made, notes=(note,))


def _stretches(trials: Trials, watch: Stopwatch) -> frozenset[str]:
    """The names of all units that are faster in float."""
    units = trials.units

    def latency(count: int) -> float:
        names = units.prefix(count)
        if units.none_left(names):
            return 1.0
        return watch.glance(trials.shop.mixed(names).model)

    stretches = cheaper_in_float(latency, len(units.units))
    return frozenset(unit.name for start, end in stretches for unit in units.units[start:end])


def _told(made: Candidate, names: frozenset[str], before: Ratio, after: Ratio | None, what: str) -> Hastened:
    now = "" if after is None else f", now {after.told}"
    note = f"latency: integers took {before.told} of float's time on one thread here{now}: {what}"
    record = {
        "threads": 1,
        "before": _plain(before),
        "after": None if after is None else _plain(after),
        "float_nodes": sorted(names),
    }
    return Hastened(made=made, names=names, notes=(note,), record={"latency": record})


def _plain(ratio: Ratio) -> dict[str, float | None]:
    return {
        "ratio": rounded(ratio.ratio),
        "low": rounded(ratio.low),
        "high": rounded(ratio.high),
        "pairs": ratio.pairs,
        "busy": None if ratio.busy is None else rounded(ratio.busy),
    }
