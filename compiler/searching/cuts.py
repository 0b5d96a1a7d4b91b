"""Where the noise of a chain of units is born, in few runs.

Let L(k) be the loss with the first k of n units in float: L(0) is that of the whole, L(n) = 0. Quantization noise of
independent roundings adds up, so L(k) - L(k + 1) is what unit k + 1 and the values it reads contribute, and L
falls from left to right. An interval of L that hardly falls holds no guilty unit and is never cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Interval", "scan"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Units `start` to `end` (not included) together add `drop` to the loss."""

    start: int
    end: int
    drop: float


def scan(
    loss: Callable[[int], float], count: int, *, whole: float, share: float, enough: float, runs: int
) -> list[Interval]:
    """Cut where the loss falls, until each interval is one unit or carries little.

    Args:
        loss: The loss with the first k units in float, 0 < k < count.
        count: Units.
        whole: The loss with none in float.
        share: An interval that carries less than this share of `whole` is not cut.
        enough: Stop when single units that carry at least `share` together carry this share of `whole`.
        runs: Most calls of `loss`.

    Returns:
        The intervals in order; they cover all units.
    """
    intervals = [Interval(start=0, end=count, drop=whole)]
    ends = {0: whole, count: 0.0}
    for _ in range(runs):
        wide = [each for each in intervals if each.end - each.start > 1 and each.drop >= share * whole]
        found = sum(each.drop for each in intervals if each.end - each.start == 1 and each.drop >= share * whole)
        if not wide or found >= enough * whole:
            break
        worst = max(wide, key=lambda each: (each.drop, -each.start))
        middle = (worst.start + worst.end) // 2
        ends[middle] = loss(middle)
        halves = [
            Interval(start=start, end=end, drop=ends[start] - ends[end])
            for start, end in ((worst.start, middle), (middle, worst.end))
        ]
        at = intervals.index(worst)
        intervals[at : at + 1] = halves
    return intervals
