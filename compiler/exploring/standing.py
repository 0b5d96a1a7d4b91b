"""How points stand to each other: on the front or beaten, and whether that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

from .front import beats, front
from .objectives import Comparison
from .point import Point

__all__ = ["Standing", "standings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One point among the others.

    Attributes:
        front: None beats it.
        beaten_by: The first of the front that does; "" on the front.
        told: What chance has to do with it; "" for nothing: a point of the front that another would beat where only
            differences beyond noise counted, a beaten one that is not surely worse in anything.
    """

    front: bool
    beaten_by: str = ""
    told: str = ""


def standings(compared: Comparison) -> dict[str, Standing]:
    """The standing of every point; the same for the same numbers."""
    points = compared.points
    on_front = front([compared.costs(point) for point in points])
    best = [point for point, on in zip(points, on_front, strict=True) if on]
    found = {}
    for point, on in zip(points, on_front, strict=True):
        if on:
            found[point.name] = Standing(front=True, told=_by_chance(point, best, compared))
        else:
            rival = next(each for each in best if beats(compared.costs(each), compared.costs(point)))
            surely = any(compared.surely_better(rival, point, each) for each in compared.objectives)
            told = "" if surely else f"not distinguishable from {rival.name}"
            found[point.name] = Standing(front=False, beaten_by=rival.name, told=told)
    return found


def _by_chance(point: Point, best: list[Point], compared: Comparison) -> str:
    """The first rival that is surely better in something, while nothing of the point surely is."""
    for rival in best:
        mine = any(compared.surely_better(point, rival, each) for each in compared.objectives)
        theirs = [each.id for each in compared.objectives if compared.surely_better(rival, point, each)]
        if theirs and not mine:
            where = " and ".join(each.id for each in compared.objectives if each.id not in theirs)
            return f"better than {rival.name} by no more than noise ({where})"
    return ""
