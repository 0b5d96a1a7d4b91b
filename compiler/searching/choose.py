"""Which nodes go back to float: those that buy the most for their MACs, one real run for each decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Suspect", "choose"]

# A node without MACs is not free either: the conversions around it cost about as much as this share of a model.
_CONVERSION = 0.005
# Less than this share of the noise is not worth another float island.
_WORTH = 0.02
_PATIENCE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspect:
    """Nodes that may go back to float together, and the share of the loss that is expected to go with them."""

    names: frozenset[str]
    gain: float


def choose(
    excess: Callable[[frozenset[str]], float],
    suspects: Sequence[Suspect],
    macs: Mapping[str, float],
    *,
    whole: float,
    cap: float,
    runs: int,
    chosen: frozenset[str] = frozenset(),
    thrift: float = 1.0,
    frugal: bool = False,
    patience: int = _PATIENCE,
) -> tuple[frozenset[str], float]:
    """Restore suspects, the best buy first, until the excess is at most 1.

    A suspect is kept when a run shows that it lowers the excess by a larger share than it costs in MACs, times
    `thrift`; where there is no room under the cap, in place of the dearest one. At the end, what proves superfluous
    goes back to integers, the most MACs first.

    Args:
        excess: What is left with these nodes in float; at most 1 is good enough.
        suspects: What may be restored.
        macs: Share of all MACs by node name.
        whole: The excess to begin with.
        cap: Most MACs, as a share of all, that may go back to float.
        runs: Most calls of `excess`.
        chosen: What is in float to begin with.
        thrift: What a share of the MACs weighs against the same share of the excess.
        frugal: What a suspect takes of the room under the cap, it must bring of the way to 1 as well (times `thrift`),
            counted in factors: room is left for better buys that are found later.
        patience: Stop after so many refusals in a row.

    Returns:
        The nodes to keep in float and the excess that is left.
    """
    left, refused = whole, 0
    remaining = list(suspects)
    kept: set[str | None] = set()

    def cost(names: frozenset[str]) -> float:
        return sum(macs.get(name, 0.0) for name in sorted(names))

    while left > 1 and remaining and runs and refused < patience:
        # Neighbours share nodes, so what is chosen makes the next one cheaper.
        best = max(remaining, key=lambda each: each.gain / (cost(each.names - chosen) + _CONVERSION))
        remaining.remove(best)
        names = chosen | best.names
        dearest = None
        if cost(names) > cap:
            # What was bought first was a good buy as long as there was room.
            dearest = max(sorted(chosen - best.names - kept), key=lambda name: macs.get(name, 0.0), default=None)
            names -= {dearest}
        if names <= chosen or cost(names) > cap:
            continue
        runs -= 1
        after = excess(names)
        more = cost(names) - cost(chosen)
        least = thrift * max(_WORTH, more)
        if frugal and more > 0:
            least = max(least, 1 - left ** (-thrift * more / max(more, cap - cost(chosen))))
        if after <= 1 or left - after >= least * left:
            chosen, left, refused = names, after, 0
        else:
            refused += 1
            kept.add(dearest)
    return _pruned(excess, chosen, left, macs, runs)


def _pruned(
    excess: Callable[[frozenset[str]], float],
    chosen: frozenset[str],
    left: float,
    macs: Mapping[str, float],
    runs: int,
) -> tuple[frozenset[str], float]:
    """Without the nodes whose return to integers costs next to nothing."""
    allowed = max(1.0, left * (1 + _WORTH))
    for name in sorted(chosen, key=lambda name: (-macs.get(name, 0.0), name)):
        if not runs or len(chosen) == 1:
            break
        runs -= 1
        after = excess(chosen - {name})
        if after <= allowed:
            chosen, left = chosen - {name}, after
    return chosen, left
