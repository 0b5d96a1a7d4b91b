"""Ranges by gain: where the choice per value is not good enough, other ways to take ranges are measured as a whole.

`auto` goes by the error of each value by itself. What a clipped or a coarser value costs at the outputs depends on what
follows: imdn_rtc_x2 has 30.2 dB by `auto`, 31.5 dB by `percentile`; nanodet_m 16.4 dB by `auto`, 14.7 dB by extremes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .candidates import Candidate
from .goal import Goal
from .record import rounded
from .trials import Trials
from .typical import typical_ratio

__all__ = ["Ranged", "better_ranges"]

_METHODS = ("percentile", "mse", "sqnr", "minmax")
# Less than this is as likely to be these samples' as the model's.
_BETTER = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranged:
    """Which way of taking ranges was found best.

    Attributes:
        made: The candidate.
        notes: What the reader must know; nothing where the usual way stays.
        record: Excess by way, for `recipe.lock`; empty where the usual way stays.
    """

    made: Candidate
    notes: tuple[str, ...] = ()
    record: dict[str, float | None] | None = None


def better_ranges(made: Candidate, trials: Trials, goal: Goal) -> Ranged:
    """Try other ways to take ranges where the goal is missed; `trials` builds by the best one from then on.

    Args:
        made: The candidate by `auto`, with what `trials` has in float.
        trials: Builds and scores others.
        goal: What is allowed.
    """
    usual = trials.excess(frozenset(), goal)
    if usual <= 1 or trials.shop.policy.calibration_method != "auto":
        return Ranged(made=made)
    best, least, way = None, _BETTER * usual, "auto"
    record = {"auto": rounded(usual)}
    before = trials.bench.score_each(made.model)
    for method in _METHODS:
        shop = replace(trials.shop, policy=replace(trials.shop.policy, calibration_method=method))
        candidate = shop.mixed(trials.base, small=True)
        excess = goal.excess(trials.bench.score(candidate.model))
        record[method] = rounded(excess)
        if excess < least and typical_ratio(before, trials.bench.score_each(candidate.model), goal) <= 1:
            best, least, way = (shop, candidate), excess, method
    if best is None:
        return Ranged(made=made)
    trials.shop, made = best
    trials.start_from(trials.base, made.model)
    note = f"accuracy: ranges by {way}, which leaves {least / usual:.2g} of the noise that `auto` does"
    return Ranged(made=made, notes=(note,), record=record)
