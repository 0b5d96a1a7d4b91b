"""The point to take among those that keep the contract, and why it is that one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .front import front
from .objectives import Comparison, Objective
from .point import Point

__all__ = ["Recommended", "recommend"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommended:
    """A point, and the steps that led to it."""

    point: Point
    reasons: tuple[str, ...]


def recommend(compared: Comparison, within: Collection[str]) -> Recommended | None:
    """The best by the first objective; of those not surely worse by it, the best by the next, and so on.

    Args:
        compared: All points.
        within: Names of those that keep the contract.

    Returns:
        The same for the same numbers; None where no point keeps it.
    """
    held = [point for point in compared.points if point.name in within]
    if not held:
        return None
    kept = len(held)
    reasons = [f"{kept} of {len(compared.points)} points keep the contract"]
    # What another beats that keeps it too is not taken, whatever chance says of the difference.
    on_front = front([compared.costs(point) for point in held])
    left = [point for point, on in zip(held, on_front, strict=True) if on]
    for objective in compared.objectives:
        if len(left) == 1 and len(reasons) > 1:
            break
        best = min(left, key=lambda point: compared.cost(point, objective))
        left = [point for point in left if not compared.surely_better(best, point, objective)]
        reasons.append(_said(objective, best, left))
    chosen = min(left, key=lambda point: compared.costs(point))
    if len(left) > 1:
        reasons.append(f"{chosen.name} is the best of them as measured")
    return Recommended(point=chosen, reasons=tuple(reasons))


def _said(objective: Objective, best: Point, left: list[Point]) -> str:
    if len(left) == 1:
        return f"{best.name} is {objective.best}"
    others = ", ".join(point.name for point in left if point is not best)
    return f"{best.name} is {objective.best}; not distinguishable from it: {others}"
