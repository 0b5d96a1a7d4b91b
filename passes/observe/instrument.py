"""Compile statistics into the graph: what leaves ONNX Runtime is small, and its own threads compute it.

A probe per need adds nodes and outputs; `fold` adds what one run showed to what the runs before showed, and
`read_probes` turns the sums into observations. Merging is commutative, so batches may finish in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import onnx_ir as ir

from .averages import AveragesProbe
from .counts import CountsProbe
from .extremes import Ends, ExtremesProbe, add_ends
from .means import MeansProbe
from .products import ProductsProbe
from .statistics import Counts, Extremes, Means, Need, Observation, Products

__all__ = ["Probe", "Totals", "fold", "instrument", "merge_totals", "read_probes"]

_PREFIX = "edgec_observe"


class Probe(Protocol):
    """Needs of one kind compiled into the graph."""

    @property
    def needs(self) -> Sequence[Need]: ...
    def seen(self, outputs: Mapping[str, np.ndarray]) -> Any: ...  # what one run showed
    def merge(self, left: Any, right: Any) -> Any: ...
    def alike(self, left: Any, right: Any) -> bool: ...  # whether two differ by rounding at most
    def read(self, total: Any) -> Sequence[Observation]: ...  # in the order of the needs


# By the first need of each probe.
Totals: TypeAlias = dict[Need, Any]


def instrument(model: ir.Model, needs: Sequence[Need], anchors: Sequence[Need] = ()) -> tuple[Probe, ...]:
    """Replace the outputs of `model` by statistics of the needed values.

    The model's own outputs are dropped: what only they need is then not computed.

    Args:
        model: A clone that may be spoilt.
        needs: What to observe; every value must exist in the main graph. A need asked for twice is measured once.
        anchors: What is computed too, but not read.

    Returns:
        The probes: one of all extremes, one of each other need, in the order of their first needs.

    Raises:
        ValueError: A need asks for a granularity that its value has not.
    """
    graph = model.graph
    values = {value.name: value for value in (*graph.inputs, *graph.initializers.values())}
    values |= {value.name: value for node in graph for value in node.outputs}
    floats: dict[ir.Value, ir.Value] = {}
    graph.outputs.clear()
    wanted = list(dict.fromkeys(needs))
    ends: dict[Need, Ends] = {}
    single: dict[Need, Probe] = {}
    # Last value first: ONNX Runtime sorts depth-first from the newest leaf, so each reduction then runs right
    # behind what it reduces. The other way round every observed value stays alive until the end.
    for index, need in reversed(list(enumerate([*wanted, *anchors]))):
        value, prefix = _as_float(graph, values[need.value], floats), f"{_PREFIX}_{index}"
        if isinstance(need.statistic, Extremes) and not need.statistic.averaged:
            ends[need] = add_ends(model, value, need, need.statistic, prefix)
        else:
            single[need] = _probe(model, value, need, prefix)
    bounded = tuple(need for need in wanted if need in ends)
    if bounded:
        single[bounded[0]] = ExtremesProbe(needs=bounded, ends=tuple(ends[need] for need in bounded))
    return tuple(single[need] for need in wanted if need in single)


def fold(totals: Totals, probes: Sequence[Probe], outputs: Mapping[str, np.ndarray]) -> None:
    """Add the outputs of one run to `totals`."""
    merge_totals(totals, probes, {probe.needs[0]: probe.seen(outputs) for probe in probes})


def merge_totals(totals: Totals, probes: Sequence[Probe], more: Totals) -> None:
    """Add the totals of some runs to `totals`."""
    for probe in probes:
        need = probe.needs[0]
        totals[need] = probe.merge(totals[need], more[need]) if need in totals else more[need]


def read_probes(probes: Sequence[Probe], totals: Totals) -> dict[Need, Observation]:
    """The observations in what `fold` gathered."""
    return {
        need: observed
        for probe in probes
        for need, observed in zip(probe.needs, probe.read(totals[probe.needs[0]]), strict=True)
    }


def _probe(model: ir.Model, value: ir.Value, need: Need, prefix: str) -> Probe:
    match need.statistic:
        case Extremes() as statistic:
            return AveragesProbe.add(model, value, need, statistic, prefix)
        case Counts() as statistic:
            return CountsProbe.add(model, value, need, statistic, prefix)
        case Means() as statistic:
            return MeansProbe.add(model, value, need, statistic, prefix)
        case Products() as statistic:
            return ProductsProbe.add(model, value, need, statistic, prefix)


def _as_float(graph: ir.Graph, value: ir.Value, floats: dict[ir.Value, ir.Value]) -> ir.Value:
    """The value, cast to float32 once when it is something else."""
    if value.dtype in (None, ir.DataType.FLOAT):
        return value
    if value not in floats:
        name = f"{_PREFIX}_cast_{len(floats)}"
        cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT.value}, name=name)
        cast.outputs[0].name = name
        cast.outputs[0].shape = value.shape
        graph.append(cast)
        floats[value] = cast.outputs[0]
    return floats[value]
