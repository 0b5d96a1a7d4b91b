"""Attention where static int8 is not good enough: other kinds of int8, by measured error and time.

========================== =============================================================================
kind                       what runs
========================== =============================================================================
static, float between      integer MatMul and Gemm with ranges from calibration, float in between
dynamic                    integer MatMul and Gemm with ranges taken at run time (DynamicQuantizeMatMul)
========================== =============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .candidates import Candidate
from .goal import Goal
from .record import rounded
from .speed import Ratio, Stopwatch
from .trials import Trials

__all__ = ["Rival", "best_rival", "choose_rival"]

# Another kind must be this close to the fastest to be taken for its accuracy.
_CLOSE = 1.1
# Nor is it worth a change of kind where it hardly beats float.
_PAYS = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """One kind of int8, measured.

    Attributes:
        kind: Its name.
        made: The candidate.
        excess: Its noise over what the goal allows.
        ratio: Its latency over float's.
    """

    kind: str
    made: Candidate
    excess: float
    ratio: Ratio


def best_rival(
    static: Candidate, trials: Trials, goal: Goal, watch: Stopwatch
) -> tuple[Rival | None, Mapping[str, Any]]:
    """The kind that keeps the goal, is clearly faster than float, and is about as fast as the fastest.

    Args:
        static: Static int8, which is not good enough.
        trials: Builds others and scores them.
        goal: What is allowed.
        watch: Times them.

    Returns:
        The least noisy of those, None where there is none; and what was measured, for `recipe.lock`.
    """
    between = frozenset(unit.name for unit in trials.units.units if not unit.computes)
    made = {
        "static, float between": trials.shop.mixed(between),
        "dynamic": trials.shop.dynamic(),
        "static": static,
    }
    excess = {kind: goal.excess(trials.bench.score(each.model)) for kind, each in made.items()}
    if all(excess[kind] > 1 for kind in made if kind != "static"):
        return None, {}  # none could be chosen, however fast
    found = [
        Rival(kind=kind, made=each, excess=excess[kind], ratio=watch.ratio(each.model)) for kind, each in made.items()
    ]
    record = {
        each.kind: {
            "excess": rounded(each.excess),
            "latency_ratio": rounded(each.ratio.ratio),
            "interval": [rounded(each.ratio.low), rounded(each.ratio.high)],
        }
        for each in found
    }
    return choose_rival(found), record


def choose_rival(found: list[Rival]) -> Rival | None:
    """The least noisy of the fastest that keep the goal and are clearly faster than float; never plain static."""
    good = [
        each
        for each in found
        if each.excess <= 1 and each.ratio.ratio <= _PAYS and each.ratio.high < 1 and each.kind != "static"
    ]
    if not good:
        return None
    fastest = min(each.ratio.ratio for each in found)
    close = [each for each in good if each.ratio.ratio <= _CLOSE * fastest]
    return min(close, key=lambda each: each.excess) if close else None
