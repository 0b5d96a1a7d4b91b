"""The Pareto front: points that no other beats."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["beats", "front"]


def beats(costs: Sequence[float], others: Sequence[float]) -> bool:
    """Whether the first is nowhere worse than the second, and somewhere better; less is better."""
    return all(mine <= theirs for mine, theirs in zip(costs, others, strict=True)) and tuple(costs) != tuple(others)


def front(costs: Sequence[Sequence[float]]) -> list[bool]:
    """Of each point, whether none beats it; of points that are alike all are on the front, or none.

    In order of their costs, only what is on the front already can beat the next (Kung, Luccio & Preparata, On finding
    the maxima of a set of vectors, J. ACM 22, 1975: the sort is what makes one look back enough).

    Args:
        costs: One row a point, less is better.
    """
    kept: list[Sequence[float]] = []
    found = [False] * len(costs)
    for index in sorted(range(len(costs)), key=lambda each: tuple(costs[each])):
        if not any(beats(best, costs[index]) for best in kept):
            found[index] = True
            kept.append(costs[index])
    return found
