"""Read inner values of a model: outputs added to a clone, in slices that fit a bound of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import onnx_ir as ir

from ...passes.edit import fresh_name, value_names
from ...runtimes.base import Session, SessionSettings
from ..materialize import in_memory

__all__ = ["MOST_BYTES", "slices", "tapped", "tapping"]

MOST_BYTES = 256 << 20


def tapped(model: ir.Model, names: Sequence[str], *, keep: Sequence[str] = ()) -> tuple[ir.Model, dict[str, str]]:
    """A clone whose outputs are the values named, and under which output name each is found.

    A value behind Q and DQ is read through a DequantizeLinear of its own: one whose DQ were an output would keep the
    runtime from fusing the kernels around it, and another graph would be compared than the one that ships.

    Args:
        model: Not changed.
        names: Values of the main graph.
        keep: Outputs that stay beside them (carried state).
    """
    clone = model.clone()
    graph = clone.graph
    values = {value.name: value for value in graph.inputs}
    values |= {value.name: value for node in graph for value in node.outputs}
    taken = value_names(graph) | {node.name for node in graph if node.name}
    kept = [output for output in graph.outputs if output.name in set(keep)]
    public = set(graph.outputs)
    graph.outputs.clear()
    graph.outputs.extend(kept)
    found: dict[str, str] = {}
    for name in names:
        value = values[name]
        if value not in public:
            value = _copy(graph, value, taken)
        found[name] = str(value.name)
        if value not in graph.outputs:
            graph.outputs.append(value)
    return clone, found


def _copy(graph: ir.Graph, value: ir.Value, taken: set[str]) -> ir.Value:
    """The value under a name of its own where tapping it would disturb; else the value itself."""
    producer = value.producer()
    if producer is None:
        node = ir.node("Identity", [value], name=fresh_name(f"{value.name}_tap", taken))
    elif producer.op_type == "DequantizeLinear":
        node = ir.node(
            "DequantizeLinear", producer.inputs, producer.attributes.copy(), name=fresh_name(f"{value.name}_tap", taken)
        )
    else:
        return value
    made = node.outputs[0]
    made.name, made.type, made.shape = fresh_name(f"{value.name}_tapped", taken), value.type, value.shape
    graph.append(node)
    return made


@contextmanager
def tapping(
    model: ir.Model,
    names: Sequence[str],
    *,
    keep: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    threads: int = 0,
) -> Iterator[tuple[Session, dict[str, str]]]:
    """An open session that answers with the values named; see `tapped`."""
    from ...runtimes.ort import OrtCpu

    clone, found = tapped(model, names, keep=keep)
    session = OrtCpu().open(in_memory(clone), SessionSettings(threads=threads, config=dict(options or {})))
    try:
        yield session, found
    finally:
        session.close()


def slices(values: Sequence[ir.Value], most: int = MOST_BYTES) -> Iterator[list[int]]:
    """Indices of neighbouring values whose arrays together stay under `most` bytes; one value at least.

    Unknown dimensions count as 1, so that this is a bound for one sample of the declared shape.
    """
    group: list[int] = []
    held = 0
    for index, value in enumerate(values):
        size = _bytes(value)
        if group and held + size > most:
            yield group
            group, held = [], 0
        group.append(index)
        held += size
    if group:
        yield group


def _bytes(value: ir.Value) -> int:
    dims = [] if value.shape is None else [dim for dim in value.shape if isinstance(dim, int)]
    return 4 * int(np.prod(dims, dtype=np.int64))
