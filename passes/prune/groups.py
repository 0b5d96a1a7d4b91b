"""Groups of channels: what is left out together, and sets of groups that are alike to every layer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from .followed import Followed, Layer

__all__ = ["Family", "Groups", "groups_of"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Family:
    """Groups that the same layers write and read, equally often: one width of the net.

    Attributes:
        roots: Their labels, ascending.
        heads: Whether they are heads of attention.
    """

    roots: np.ndarray
    heads: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Groups:
    """What can be left out of a graph.

    Attributes:
        roots: The root of every label.
        families: Groups that may go.
        layers: Products, their rows and columns as roots; 0 for those that stay.
        held: Layer name → why what it writes stays.
    """

    roots: np.ndarray
    families: tuple[Family, ...]
    layers: tuple[Layer, ...]
    held: dict[str, str]


def groups_of(found: Followed) -> Groups:
    """Put together what was followed."""
    roots, held, heads = found.labels.resolved()
    stays = np.array([int(root) in held for root in roots])
    roots = np.where(stays, 0, roots)
    layers = tuple(
        Layer(linear=each.linear, rows=roots[each.rows], columns=roots[each.columns], depthwise=each.depthwise)
        for each in found.layers
    )
    places: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for number, layer in enumerate(layers):
        for side, labels in enumerate((layer.rows, layer.columns)):
            for root, count in zip(*np.unique(labels, return_counts=True), strict=True):
                if root:
                    places[int(root)].append((number, side, int(count)))
    alike: dict[tuple[tuple[int, int, int], ...], list[int]] = defaultdict(list)
    for root, where in places.items():
        if any(side == 1 for _, side, _ in where):  # what no layer reads again is not left out for anybody
            alike[tuple(where)].append(root)
    families = tuple(
        Family(roots=np.array(sorted(each)), heads=any(root in heads for root in each)) for each in alike.values()
    )
    own, _, _ = found.labels.resolved()
    reasons = {
        str(each.linear.node.name): reason
        for each in found.layers
        if (reason := next((held[int(own[label])] for label in each.rows.tolist() if int(own[label]) in held), ""))
    }
    return Groups(roots=roots, families=families, layers=layers, held=reasons)
