"""Which groups go, for a budget: of the next ones of every family, those that cost least for what they save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .eliminate import Eliminator
from .followed import Layer
from .groups import Family

__all__ = ["Choice", "choose", "cost_of"]


@dataclass(kw_only=True, slots=True)
class Choice:
    """What goes.

    Attributes:
        keep: By label, whether it stays.
        cost: Of all layers, before.
        left: Of all layers, now.
    """

    keep: np.ndarray
    cost: float
    left: float
    lost: float = 0.0
    left_out: dict[int, int] = field(default_factory=dict)


def cost_of(layer: Layer, keep: np.ndarray, per_product: float) -> float:
    """What a layer costs with the groups that stay: products of a weight, times what each one costs."""
    weights = layer.linear.weight.shape[-1] * keep[layer.rows].sum()
    return float(per_product * weights * (1 if layer.depthwise else keep[layer.columns].sum()))


def choose(
    families: Sequence[Family],
    layers: Sequence[Layer],
    eliminators: Sequence[Eliminator | None],
    prices: Sequence[float],
    count: int,
    *,
    share: float,
    multiple: int,
    least: float,
    written: bool,
    narrowest: int = 1,
) -> Choice:
    """Leave out groups until the layers cost a share less.

    Args:
        families: What may go.
        layers: All products, of which labels are the families' roots or 0.
        eliminators: For each layer, who tells what leaving out its inputs loses; None for one that reads none.
        prices: For each layer, what one product of a weight costs.
        count: Labels there are.
        share: Of the cost that is to go.
        multiple: Widths stay a multiple of this where they were.
        least: Share of a family that stays at least.
        narrowest: Layers that write as many channels go on doing so.
        written: Weigh what writes a group as well as what reads it (magnitude), not what reads it alone.

    Returns:
        The choice; it costs more than asked for where families are at their least.
    """
    keep = np.ones(count, bool)
    costs = [cost_of(layer, keep, price) for layer, price in zip(layers, prices, strict=True)]
    choice = Choice(keep=keep, cost=sum(costs), left=sum(costs))
    readers = [_readers(family, layers) for family in families]
    writers = [_writers(family, layers) for family in families]
    touched = [[k for k, layer in enumerate(layers) if _reads(layer, family)] for family in families]
    scores: list[np.ndarray | None] = [None] * len(families)
    while choice.left > (1 - share) * choice.cost:
        best: tuple[float, int, np.ndarray, float] | None = None
        for number, family in enumerate(families):
            alive = family.roots[keep[family.roots]]
            step = min(len(alive), len(alive) % multiple or multiple)
            if len(alive) - step < max(1, min(multiple, len(family.roots)), least * len(family.roots)):
                continue
            if (score := scores[number]) is None:
                score = _scores(alive, readers[number], layers, eliminators)
                if written:
                    score = score + _written(alive, writers[number], layers, keep)
                scores[number] = score
            chosen = np.argsort(score, kind="stable")[:step]
            trial = keep.copy()
            trial[alive[chosen]] = False
            if any(_width(layers[k], trial) < min(narrowest, layers[k].rows.size) for k in touched[number]):
                continue
            saved = sum(costs[k] - cost_of(layers[k], trial, prices[k]) for k in touched[number])
            ratio = float(score[chosen].sum()) / saved if saved > 0 else np.inf
            if np.isfinite(ratio) and (best is None or ratio < best[0]):
                best = (ratio, number, alive[chosen], float(score[chosen].sum()))
        if best is None:
            return choice
        _, number, roots, lost = best
        keep[roots] = False
        for k in touched[number]:
            costs[k] = cost_of(layers[k], keep, prices[k])
        for k in readers[number]:
            eliminator = eliminators[k]
            assert eliminator is not None
            eliminator.leave_out(np.flatnonzero(np.repeat(np.isin(layers[k].columns, roots), _taps(layers[k]))))
        changed = set(touched[number])
        for other in range(len(families)):
            if changed & set(readers[other]) or (written and changed & set(writers[other])):
                scores[other] = None
        choice.left = sum(costs)
        choice.lost += lost
    return choice


def _readers(family: Family, layers: Sequence[Layer]) -> list[int]:
    return [k for k, layer in enumerate(layers) if np.isin(layer.columns, family.roots).any()]


def _writers(family: Family, layers: Sequence[Layer]) -> list[int]:
    return [k for k, layer in enumerate(layers) if np.isin(layer.rows, family.roots).any()]


def _reads(layer: Layer, family: Family) -> bool:
    return bool(np.isin(layer.columns, family.roots).any() or np.isin(layer.rows, family.roots).any())


def _width(layer: Layer, keep: np.ndarray) -> int:
    """Channels that a layer writes."""
    return int(keep[layer.rows].sum())


def _taps(layer: Layer) -> int:
    return int(layer.linear.weight.shape[-1])


def _scores(
    alive: np.ndarray, readers: Sequence[int], layers: Sequence[Layer], eliminators: Sequence[Eliminator | None]
) -> np.ndarray:
    """What leaving out each group loses in the layers that read it, (n,), as shares of what they write."""
    total = np.zeros(len(alive))
    for k in readers:
        eliminator, layer = eliminators[k], layers[k]
        assert eliminator is not None
        taps = _taps(layer)
        order = np.argsort(layer.columns, kind="stable")
        first = np.searchsorted(layer.columns[order], alive)
        count = int((layer.columns == alive[0]).sum())
        channels = order[first[:, None] + np.arange(count)]  # (n, how often)
        columns = (channels[:, :, None] * taps + np.arange(taps)).reshape(len(alive), -1)
        total += eliminator.losses(columns)
    return total


def _written(alive: np.ndarray, writers: Sequence[int], layers: Sequence[Layer], keep: np.ndarray) -> np.ndarray:
    """The share of every group in the squares of the weights that write it."""
    total = np.zeros(len(alive))
    for k in writers:
        layer = layers[k]
        rows = np.square(layer.linear.weight).sum((2, 3), dtype=np.float64).reshape(-1)
        own = np.array([rows[layer.rows == root].sum() for root in alive])
        total += own / (rows[keep[layer.rows]].sum() or 1.0)
    return total
