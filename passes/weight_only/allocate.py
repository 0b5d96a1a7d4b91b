"""Which of several forms each of many matrices takes, so that the sum of their losses is least within a budget.

The multiple-choice knapsack (Sinha and Zoltners 1979, Operations Research 27, 503): of each matrix the forms on the
lower convex hull of (cost, loss) count; steps along the hulls are taken in the order of what they gain for what they
cost. That is the optimum of the relaxed problem, and off the true one by less than one step.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

__all__ = ["allocate"]


def allocate(losses: np.ndarray, costs: np.ndarray, budget: float) -> np.ndarray:
    """The form of each matrix.

    Args:
        losses: (matrices, forms), not below 0.
        costs: (matrices, forms), above 0; in any unit.
        budget: The most that the chosen costs may sum up to.

    Returns:
        Indices of forms, (matrices,). The cheapest of each where the budget holds no more.
    """
    hulls = [_hull(loss, cost) for loss, cost in zip(losses, costs, strict=True)]
    chosen = np.array([hull[0] for hull in hulls])
    spent = float(costs[np.arange(len(costs)), chosen].sum())
    steps = [
        ((losses[k, a] - losses[k, b]) / (costs[k, b] - costs[k, a]), k, place)
        for k, hull in enumerate(hulls)
        for place, (a, b) in enumerate(pairwise(hull))
    ]
    full: set[int] = set()
    for _, k, place in sorted(steps, key=lambda step: (-step[0], step[1], step[2])):
        a, b = hulls[k][place : place + 2]
        more = float(costs[k, b] - costs[k, a])
        if k in full or spent + more > budget * (1 + 1e-12):
            full.add(k)  # later steps of a hull need the earlier ones
            continue
        chosen[k], spent = b, spent + more
    return chosen


def _hull(loss: np.ndarray, cost: np.ndarray) -> list[int]:
    """Forms on the lower convex hull, from the cheapest on; each loses less than the one before."""
    hull: list[int] = []
    for at in np.lexsort((loss, cost)):
        if hull and loss[at] >= loss[hull[-1]]:
            continue
        while len(hull) > 1 and _slope(loss, cost, hull[-2], at) <= _slope(loss, cost, hull[-2], hull[-1]):
            hull.pop()
        if hull and cost[at] == cost[hull[-1]]:
            hull.pop()
        hull.append(int(at))
    return hull


def _slope(loss: np.ndarray, cost: np.ndarray, a: int, b: int) -> float:
    return float((loss[b] - loss[a]) / (cost[b] - cost[a])) if cost[b] > cost[a] else -np.inf
