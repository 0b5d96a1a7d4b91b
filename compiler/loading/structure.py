"""Check that a graph is one: every value is made once, and somebody makes what is read."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx_ir as ir

from ...errors import ModelError
from .detached import bodies, graphs
from .names import unique_names
from .to_ir import to_ir

__all__ = ["check_wiring", "label", "name_nodes"]

_AGAIN = "Export the model again"


def check_wiring(model: onnx.ModelProto, origin: str) -> onnx.ModelProto:
    """Refuse graphs that are empty or miswired.

    Returns:
        The model; nodes that stood before what they read are sorted, and names that hid others are changed.

    Raises:
        ModelError: No nodes or outputs, a value made twice or by nobody, a circle, or a sparse tensor.
    """
    graph = model.graph
    if not graph.node:
        raise ModelError(origin, "has no nodes: there is nothing to compile", remedy=_AGAIN)
    if not graph.output:
        raise ModelError(origin, "has no outputs", remedy=_AGAIN)
    for body in graphs(model):
        if body.sparse_initializer:
            name = body.sparse_initializer[0].values.name
            raise ModelError(f"{origin}, tensor {name!r}", "is stored sparse", remedy="Store it dense")
    if _is_regular(graph, set(), origin):
        return model
    repaired = to_ir(model, origin)
    try:
        repaired.graph.sort()
    except ValueError as error:
        raise ModelError(origin, "has nodes that depend on each other in a circle", remedy=_AGAIN) from error
    unique_names(repaired)
    return ir.to_proto(repaired)


def name_nodes(model: onnx.ModelProto) -> int:
    """Give every node a name of its own: its own, else that of the first value it makes; graphs need one too.

    ONNX Runtime opens no model in which two nodes share a name.

    Returns:
        How many nodes had a name that was taken.
    """
    taken: set[str] = set()
    nameless, renamed = [], 0
    for graph in graphs(model):
        graph.name = graph.name or "graph"
        for node in graph.node:
            if node.name and node.name not in taken:
                taken.add(node.name)
            else:
                nameless.append(node)
    for node in nameless:
        renamed += bool(node.name)
        stem = node.name or next((output for output in node.output if output), node.op_type)
        name, k = stem, 0
        while name in taken:
            k += 1
            name = f"{stem}_{k}"
        taken.add(name)
        node.name = name
    return renamed


def label(node: onnx.NodeProto) -> str:
    """How messages name a node; one without a name is named by its first output."""
    name = node.name or next((output for output in node.output if output), "")
    return f"node {name!r} ({node.op_type})"


def _is_regular(graph: onnx.GraphProto, outer: set[str], origin: str) -> bool:
    """Check a graph and its bodies; whether all is in order and nothing hides a name of `outer`."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    made: set[str] = set()
    for node in graph.node:
        for name in node.output:
            if name and (name in made or name in own):
                raise ModelError(
                    f"{origin}, value {name!r}", f"is made twice, the second time by {label(node)}", remedy=_AGAIN
                )
            made.add(name)
    regular = outer.isdisjoint(own) and outer.isdisjoint(made - {""})
    known, all_ = outer | own | {""}, outer | own | made | {""}
    for node in graph.node:
        inner = tuple(bodies(node))
        for body in inner:
            regular &= _is_regular(body, all_, origin)
        for name in (*node.input, *(name for body in inner for name in _reads(body) & made)):
            if name not in all_:
                raise ModelError(f"{origin}, {label(node)}", f"reads {name!r}, which nothing makes", remedy=_AGAIN)
            regular &= name in known
        known.update(node.output)
    for value in graph.output:
        if value.name not in all_:
            raise ModelError(f"{origin}, output {value.name!r}", "is made by nothing", remedy=_AGAIN)
    return regular


def _reads(graph: onnx.GraphProto) -> set[str]:
    """Names that a body reads, at any depth."""

    def read() -> Iterator[str]:
        yield from (value.name for value in graph.output)
        for node in graph.node:
            yield from node.input
            for body in bodies(node):
                yield from _reads(body)

    return set(read())
