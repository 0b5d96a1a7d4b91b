"""Which needs are observed together, so that what they hold fits in memory.

What one pass over the samples holds: the session with its weights, the activations of every worker, what a run
hands out, and the totals. Fewer workers come first, then slices: some needs at a time, a pass over the samples each.
Batches stay as they are, so that a limit changes nothing that is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from ...errors import OptionError
from ...passes.observe.statistics import Counts, Need, Products
from ..materialize import weight_bytes
from ..planning.liveness import peak_activation_bytes, value_elements
from ..planning.memory import resident_bytes
from .layout import Layout

__all__ = ["Sliced", "slices"]

# What a worker's arena grows to against the activations alive at once in graph order, and copies of weights: as they
# are, and packed. Upper bounds: 10 on a net of many branches (espnetv2), where 2 are enough on a plain one
# (mobilenetv2; ONNX Runtime 1.31.1, 2026-11-21).
_ARENA = 10.0
_WEIGHT_COPIES = 2.0
# A session that holds nothing, its threads, and what Python makes on the way; then one node, and the nodes of a need.
_SESSION_BYTES = 24 << 20
_NODE_BYTES = 16 << 10
_NEED_NODES = 8
# Codes waiting to be counted, and the counts of those that occurred.
_TALLY_BYTES = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Sliced:
    """Needs by pass over the samples, and the layout they share."""

    layout: Layout
    parts: tuple[tuple[Need, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bytes:
    """What one need holds: per run, and over all runs."""

    run: int
    total: int


def slices(model: ir.Model, needs: Sequence[Need], layout: Layout, limit: int | None) -> Sliced:
    """Divide needs so that each pass stays below a limit.

    Args:
        model: The model to observe.
        needs: What to observe, in graph order.
        layout: What would be used without a limit.
        limit: Bytes this process may hold; None observes everything in one pass.

    Returns:
        The needs of each pass, in order.

    Raises:
        OptionError: Not even one need at a time fits.
    """
    if limit is None or not needs:
        return Sliced(layout=layout, parts=(tuple(needs),))
    cost = _costs(model, needs, layout.batch)
    fixed = resident_bytes() + _SESSION_BYTES + _NODE_BYTES * len(model.graph)
    fixed += int(_WEIGHT_COPIES * weight_bytes(model))
    activations = int(_ARENA * layout.batch * peak_activation_bytes(model, lambda _: 4))

    def held(part: Sequence[Need], workers: int) -> int:
        run = activations + sum(cost[need].run for need in part)
        # One batch more than there are workers waits to be merged.
        kept = sum(cost[need].total + cost[need].run + _NEED_NODES * _NODE_BYTES for need in part)
        return fixed + workers * run + kept

    for workers in range(layout.workers, 0, -1):
        if held(needs, workers) <= limit:
            return Sliced(layout=_with_workers(layout, workers), parts=(tuple(needs),))
    least = max(held([need], 1) for need in needs)
    if least > limit:
        raise OptionError(
            "--max-memory",
            f"{_megabytes(limit)} do not hold one statistic of one batch",
            affects=f"This process holds {_megabytes(resident_bytes())} before anything is observed",
            remedy=f"Give at least {_megabytes(least)}",
        )
    return Sliced(layout=_with_workers(layout, 1), parts=tuple(_parts(needs, lambda part: held(part, 1) <= limit)))


def _with_workers(layout: Layout, workers: int) -> Layout:
    """The same cores and batches for fewer workers."""
    return replace(layout, workers=workers, threads=max(1, layout.workers * layout.threads // workers))


def _parts(needs: Sequence[Need], fits: Callable[[Sequence[Need]], bool]) -> Iterator[tuple[Need, ...]]:
    """Runs of neighbours that fit, as long as possible: the graph of a pass ends at its last value."""
    part: list[Need] = []
    for need in needs:
        if part and not fits([*part, need]):
            yield tuple(part)
            part = []
        part.append(need)
    yield tuple(part)


def _costs(model: ir.Model, needs: Sequence[Need], batch: int) -> dict[Need, _Bytes]:
    values = {value.name: value for value in model.graph.inputs}
    values |= {value.name: value for node in model.graph for value in node.outputs}
    return {need: _cost(values[need.value], need, batch) for need in needs}


def _cost(value: ir.Value, need: Need, batch: int) -> _Bytes:
    size = 4 * batch * value_elements(value)
    match need.statistic:
        case Counts(elements=None):
            return _Bytes(run=size, total=_TALLY_BYTES)
        case Counts(elements=int(elements)):
            return _Bytes(run=min(size, 8 * batch * elements), total=_TALLY_BYTES)
        case Products(window=window):
            dims = [dim if isinstance(dim, int) else 1 for dim in value.shape or ()]
            if window is None:
                k, group, columns = dims[-1] if dims else 1, 1, size
            else:
                taps = math.prod(window.kernel)
                k, group = dims[1] // window.group * taps, window.group
                columns = size * taps // math.prod(window.strides)
            # The patches, turned for the product, and turned once more.
            return _Bytes(run=4 * group * k * k + 3 * columns, total=8 * group * k * k)
    return _Bytes(run=0, total=0)


def _megabytes(count: int) -> str:
    return f"{math.ceil(count / 1e6)}MB"
