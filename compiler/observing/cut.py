"""Cut a graph into segments whose weights fit a limit: runs of nodes in order, with the values that cross between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import onnx_ir as ir

__all__ = ["Segment", "cut"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """Nodes `start` to `stop` (excluded) of the graph.

    Attributes:
        model: These nodes alone; reads graph inputs and crossing values, writes crossing values.
        reads: Names of its inputs.
        writes: Names of values it makes that later segments read.
        keeps: Names of earlier values that later segments still read.
    """

    start: int
    stop: int
    model: ir.Model
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    keeps: tuple[str, ...]


def cut(model: ir.Model, limit: int) -> Iterator[Segment]:
    """Cut a model at node borders, in graph order.

    A segment takes nodes until its weights exceed `limit`; one node's weights are never divided.

    Args:
        model: The model; not changed.
        limit: Bytes of weights of one segment.

    Yields:
        The segments, one clone at a time: weights stay where the model has them.
    """
    for start, stop in pairwise(_borders(model.graph, limit)):
        yield _segment(model.clone(), start, stop)


def _borders(graph: ir.Graph, limit: int) -> list[int]:
    """Positions where segments start, and the number of nodes."""
    borders, held, seen = [0], 0, set[ir.Value]()
    closed = _without_types(graph)
    for position, node in enumerate(graph):
        weights = _weights_of(node) - seen
        size = sum(value.const_value.nbytes for value in weights if value.const_value is not None)
        if held and held + size > limit and position not in closed:
            borders.append(position)
            held, seen, weights = 0, set(), _weights_of(node)
            size = sum(value.const_value.nbytes for value in weights if value.const_value is not None)
        held += size
        seen |= weights
    return [*borders, len(graph)]


def _without_types(graph: ir.Graph) -> set[int]:
    """Positions where something crosses that cannot be declared an input: no tensor, or of no known type."""
    nodes = list(graph)
    position = {each: index for index, node in enumerate(nodes) for each in _inner(node)}
    closed: set[int] = set()
    for made, node in enumerate(nodes):
        for value in node.outputs:
            if not isinstance(value.type, ir.TensorType):
                last = max((position[reader] for reader, _ in value.uses()), default=made)
                closed.update(range(made + 1, last + 1))
    return closed


def _weights_of(node: ir.Node) -> set[ir.Value]:
    """Initializers a node reads, in its bodies too."""
    return {value for each in _inner(node) for value in each.inputs if value is not None and value.is_initializer()}


def _segment(clone: ir.Model, start: int, stop: int) -> Segment:
    graph = clone.graph
    nodes = list(graph)
    # A reader in the body of an If counts where the If stands.
    position = {each: index for index, node in enumerate(nodes) for each in _inner(node)}
    inside = range(start, stop)
    reads: dict[ir.Value, None] = {}
    writes: dict[ir.Value, None] = {}
    keeps: dict[ir.Value, None] = {}
    for value in (*graph.inputs, *(output for node in nodes[:stop] for output in node.outputs)):
        made = -1 if (producer := value.producer()) is None else position[producer]
        readers = [position[node] for node, _ in value.uses()]
        if made < start and any(reader in inside for reader in readers):
            reads[value] = None
        if any(reader >= stop for reader in readers) and made >= 0:
            (writes if made >= start else keeps)[value] = None
    graph.outputs.clear()
    for value in [value for value in reads if value.producer() is not None]:
        _enter(graph, value, reads, inside, position)
    graph.outputs.extend(writes)
    for node in reversed(nodes):
        if position[node] not in inside:
            _empty_bodies(node)
            graph.remove(node, safe=True)
    for value in tuple(graph.inputs):
        if value not in reads:
            graph.inputs.remove(value)
    for name in [name for name, value in graph.initializers.items() if not value.uses()]:
        graph.initializers.pop(name)
    return Segment(
        start=start,
        stop=stop,
        model=clone,
        reads=tuple(str(value.name) for value in graph.inputs if not value.is_initializer()),
        writes=tuple(str(value.name) for value in writes),
        keeps=tuple(str(value.name) for value in keeps),
    )


def _enter(
    graph: ir.Graph, value: ir.Value, reads: dict[ir.Value, None], inside: range, position: dict[ir.Node, int]
) -> None:
    """Make a value of an earlier segment an input of this one."""
    entry = ir.Value(name=value.name, shape=value.shape, type=value.type)
    for node, index in tuple(value.uses()):
        if position[node] in inside:
            node.replace_input_with(index, entry)
    del reads[value]
    reads[entry] = None
    graph.inputs.append(entry)


def _inner(node: ir.Node) -> Iterator[ir.Node]:
    """A node and those in its bodies."""
    yield node
    for body in _bodies(node):
        yield from body.all_nodes()


def _empty_bodies(node: ir.Node) -> None:
    """Let go of what the bodies of a node read from outside."""
    for body in _bodies(node):
        body.outputs.clear()
        for inner in reversed(list(body)):
            _empty_bodies(inner)
            body.remove(inner, safe=True)


def _bodies(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()
