"""Put new nodes in the place of a value, and remove what only it needed."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ..edit import fresh_name
from ..scope import made_from

__all__ = ["name_outputs", "swap", "sweep"]


def swap(graph: ir.Graph, value: ir.Value, nodes: Sequence[ir.Node], taken: set[str]) -> None:
    """Let the first output of the last node stand where a value stood, under its name.

    Args:
        graph: Holds the value's producer.
        value: Made by a node of the graph.
        nodes: New ones, in order; they read nothing made after the value's producer.
        taken: Names of values and nodes that are used; grows.
    """
    old, new = value.producer(), nodes[-1].outputs[0]
    assert old is not None
    for node in nodes:
        made_from(node, old)
        name_outputs(node, value, taken)
    graph.insert_after(old, nodes)
    new.name, new.type, new.shape = value.name, value.type, value.shape
    ir.convenience.replace_all_uses_with(value, new, replace_graph_outputs=True)
    sweep(graph, [old])


def name_outputs(node: ir.Node, like: ir.Value, taken: set[str]) -> None:
    """Give a new node a name of its own, its outputs names after it, and those of no type that of another value."""
    node.name = fresh_name(str(node.name), taken)
    for output in node.outputs:
        if output.name is None:
            output.name = fresh_name(f"{node.name}_output", taken)
        output.type = output.type or like.type


def sweep(graph: ir.Graph, nodes: Sequence[ir.Node]) -> None:
    """Remove these nodes where nobody reads them, and then what only they read."""
    left = list(nodes)
    while left:
        node = left.pop()
        if node.graph is not graph or any(out.uses() or out.is_graph_output() for out in node.outputs):
            continue
        before = [value.producer() for value in node.inputs if value is not None]
        graph.remove(node, safe=True)
        left += [each for each in before if each is not None]
