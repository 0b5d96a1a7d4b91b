"""Compile statistics into the graph: the values themselves never leave ONNX Runtime.

Each observed value gets a reduction to its maximum and, unless a lower bound is known, to its
minimum. The maximum of an (N, C, H, W) value is taken by GlobalMaxPool first: ONNX Runtime has that
kernel in its blocked NCHWc layout, so a Conv's output is not reordered just to be looked at
(MobileNetV2, 100 samples: 0.52 s, against 0.66 s with ReduceMax alone and 0.36 s of plain inference;
ONNX Runtime 1.31.1, two threads, 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, opset_of
from ..spec import PerAxis, PerBlock, PerTensor
from .statistics import Need, Range

__all__ = ["Probe", "instrument", "merge_outputs", "read_probes"]

_PREFIX = "edgec_observe"


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """The outputs that carry one value's statistics."""

    need: Need
    high: str
    low: str | None


def instrument(model: ir.Model, needs: Sequence[Need]) -> tuple[Probe, ...]:
    """Replace the outputs of `model` by reductions of the needed values.

    The model's own outputs are dropped: what only they need is then not computed.

    Args:
        model: A clone that may be spoilt.
        needs: What to observe; every value must exist in the main graph.

    Returns:
        One probe per need, in order.

    Raises:
        ValueError: A need asks for a granularity that its value has not.
    """
    graph = model.graph
    values = {value.name: value for value in (*graph.inputs, *graph.initializers.values())}
    values |= {value.name: value for node in graph for value in node.outputs}
    graph.outputs.clear()
    probes = []
    # Last value first: ONNX Runtime sorts depth-first from the newest leaf, so each reduction then runs right
    # behind what it reduces. The other way round every observed value stays alive until the end.
    for index, need in reversed(list(enumerate(needs))):
        value = values[need.value]
        high = _reduction(model, "Max", value, need, f"{_PREFIX}_{index}_max")
        low = None if need.floor is not None else _reduction(model, "Min", value, need, f"{_PREFIX}_{index}_min")
        probes.append(Probe(need=need, high=high, low=low))
    return tuple(reversed(probes))


def merge_outputs(seen: dict[str, np.ndarray], probes: Sequence[Probe], outputs: Mapping[str, np.ndarray]) -> None:
    """Fold the outputs of one run into `seen`, by output name."""
    for probe in probes:
        high = outputs[probe.high]
        seen[probe.high] = np.maximum(seen[probe.high], high) if probe.high in seen else high
        if probe.low is not None:
            low = outputs[probe.low]
            seen[probe.low] = np.minimum(seen[probe.low], low) if probe.low in seen else low


def read_probes(probes: Sequence[Probe], outputs: Mapping[str, np.ndarray]) -> dict[str, Range]:
    """The ranges in the outputs of one run, or in those `merge_outputs` folded together, by value name.

    Args:
        probes: What `instrument` returned.
        outputs: Outputs of the instrumented model by name.

    Returns:
        Ranges with float32 arrays of shape () or (channels,).
    """
    found = {}
    for probe in probes:
        high = np.asarray(outputs[probe.high], np.float32)
        low = np.full_like(high, probe.need.floor or 0.0) if probe.low is None else outputs[probe.low]
        found[probe.need.value] = Range(low=np.asarray(low, np.float32), high=high)
    return found


def _reduction(model: ir.Model, kind: str, value: ir.Value, need: Need, name: str) -> str:
    """Add nodes that reduce `value` to the need's granularity; returns the new output's name."""
    graph = model.graph
    if value.dtype not in (None, ir.DataType.FLOAT):
        cast = ir.node("Cast", [value], {"to": ir.DataType.FLOAT.value}, name=f"{name}_cast")
        cast.outputs[0].name = f"{name}_cast"
        graph.append(cast)
        value = cast.outputs[0]
    rank = None if value.shape is None else len(value.shape)
    axes: list[int] | None = None
    match need.granularity:
        case PerAxis(axis=axis):
            if rank is None:
                raise ValueError(f"value {need.value!r}: a range per index needs its rank, which is unknown")
            axes = [k for k in range(rank) if k != axis % rank]
        case PerBlock():
            raise ValueError(f"value {need.value!r}: activations have no range per block")
        case PerTensor():
            if kind == "Max" and rank == 4:
                pool = ir.node("GlobalMaxPool", [value], name=f"{name}_pool")
                pool.outputs[0].name = f"{name}_pool"
                graph.append(pool)
                value = pool.outputs[0]
    attributes: dict[str, int | Sequence[int]] = {"keepdims": 0}
    inputs = [value]
    if axes is not None:
        if opset_of(model) >= 18:
            inputs.append(add_initializer(graph, f"{name}_axes", np.asarray(axes, np.int64)))
        else:
            attributes["axes"] = axes
    node = ir.node(f"Reduce{kind}", inputs, attributes, name=name)
    output = node.outputs[0]
    output.name = name
    output.type = ir.TensorType(ir.DataType.FLOAT)
    output.shape = ir.Shape([]) if axes is None else ir.Shape([None])
    graph.append(node)
    graph.outputs.append(output)
    return name
