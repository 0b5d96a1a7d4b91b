"""Give every value and every node of a model a name of its own."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

__all__ = ["unique_names"]


def unique_names(model: ir.Model) -> int:
    """Name unnamed values and nodes, rename duplicates, in the main graph and all bodies of it.

    Graph inputs and outputs keep their names, and so does the first of several that share one. Unlike
    `onnx_ir`'s `NameFixPass`, node names are unique across bodies, unnamed nodes are named after
    the first value they make, and outputs that a node leaves out stay unnamed: naming one would ask for it.

    Returns:
        How many values and nodes were renamed that had a name.
    """
    graph = model.graph
    values, nodes = _Names(), _Names()
    public = dict.fromkeys((*graph.inputs, *graph.outputs))
    for value in public:
        values.keep(value)
    for value in _values(graph):
        if value not in public and not _left_out(value):
            values.keep(value)
    for node in graph.all_nodes():
        nodes.keep(node)
    return values.renamed + nodes.renamed


class _Names:
    """Names given out so far."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}
        self.renamed = 0

    def keep(self, named: ir.Value | ir.Node) -> None:
        """Let `named` keep its name if that is free, else give it the next free one like it."""
        stem = named.name or _stem(named)
        name = stem
        while name in self._taken:
            self._last[stem] = self._last.get(stem, 0) + 1
            name = f"{stem}_{self._last[stem]}"
        self._taken.add(name)
        if name != named.name:
            self.renamed += bool(named.name)
            named.name = name


def _stem(nameless: ir.Value | ir.Node) -> str:
    """What to call a node: as the first value it makes."""
    if isinstance(nameless, ir.Node):
        return next((output.name for output in nameless.outputs if output.name), nameless.op_type)
    return "value"


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    """Every value once, those of outer graphs first."""
    for body in (graph, *graph.subgraphs()):
        yield from dict.fromkeys((*body.inputs, *body.initializers.values()))
        for node in body:
            yield from node.outputs


def _left_out(value: ir.Value) -> bool:
    return not value.name and not value.uses() and not value.is_graph_output()
