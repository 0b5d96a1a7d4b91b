"""A quantized model cut at some of its products: what lies between them, to run one after another.

A product cut out is computed elsewhere from the codes it reads; its result comes back as an input of what follows.
Pieces are the waves of that order: piece k holds all that depends on k products in a row and on no more. A
DequantizeLinear is repeated in each piece that reads it, so that every kernel keeps the Q/DQ it is fused with.

Scope: the main graph is cut; nodes with bodies stay whole, with what those read from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ...passes.check.integer_products import IntegerProduct
from ...passes.check.results import Result
from ...passes.edit import is_constant, is_op
from ...passes.normalize.remove_unused import RemoveUnused

__all__ = ["Cut", "Wave", "waves"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cut:
    """A product to be computed elsewhere."""

    product: IntegerProduct
    result: Result

    @property
    def reads(self) -> tuple[str, ...]:
        """Values it needs."""
        zero = self.product.zero
        changing = () if zero is None or is_constant(zero) else (str(zero.name),)
        return (str(self.product.codes.name), *changing)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Wave:
    """What can be computed before the next products, and these.

    Attributes:
        model: Reads and writes what its graph says; None where the products need nothing new.
        cuts: Products to compute behind it.
    """

    model: ir.Model | None
    cuts: tuple[Cut, ...]


def waves(model: ir.Model, cuts: Sequence[Cut]) -> Iterator[Wave]:
    """The pieces in order, each before the products that need it.

    Args:
        model: A quantized model; it is not changed.
        cuts: Products of its main graph.
    """
    depth = _depths(model.graph, cuts)
    last = max((depth[value] for value in model.graph.outputs), default=0)
    last = max([last, *(depth[cut.product.codes] for cut in cuts)])
    crossing = _crossing(model.graph, cuts, depth)
    given = {value.name for value in model.graph.inputs} | {cut.result.value.name for cut in cuts}
    for number in range(last + 1):
        here = tuple(cut for cut in cuts if depth[cut.product.codes] == number)
        wanted = [str(value.name) for value in model.graph.outputs if depth[value] == number]
        wanted += [str(value.name) for value, readers in crossing.items() if depth[value] == number and readers]
        wanted += [name for cut in here for name in cut.reads]
        outputs = [name for name in dict.fromkeys(wanted) if name not in given]
        inputs = [str(value.name) for value, readers in crossing.items() if number in readers]
        inputs += [str(cut.result.value.name) for cut in cuts]
        yield Wave(model=_piece(model, outputs, inputs) if outputs else None, cuts=here)


def _depths(graph: ir.Graph, cuts: Sequence[Cut]) -> dict[ir.Value, int]:
    """How many products in a row each value depends on."""
    ends = {cut.result.value: cut.product.codes for cut in cuts}
    depth: dict[ir.Value, int] = {}

    def of(values: Sequence[ir.Value]) -> int:
        return max((depth.get(value, 0) for value in values), default=0)

    for value in graph.inputs:
        depth[value] = 0
    for node in graph:
        before = of(_reads(node))
        for value in node.outputs:
            depth[value] = before if value not in ends else 1 + of([ends[value]])
    return depth


def _crossing(graph: ir.Graph, cuts: Sequence[Cut], depth: dict[ir.Value, int]) -> dict[ir.Value, set[int]]:
    """Values computed in one piece and read in later ones, with these."""
    gone = {node for cut in cuts for node in cut.result.nodes}
    crossing: dict[ir.Value, set[int]] = {}
    for node in graph:
        if node in gone or is_op(node, "DequantizeLinear") or not node.outputs:
            continue
        here = max(depth[value] for value in node.outputs)
        for value in _reads(node):
            source = _behind(value)
            if source in depth and depth[source] < here and not is_constant(source):
                crossing.setdefault(source, set()).add(here)
    return crossing


def _behind(value: ir.Value) -> ir.Value:
    """The codes a DequantizeLinear reads, which is repeated; else the value."""
    node = value.producer()
    if node is None or not is_op(node, "DequantizeLinear") or node.inputs[0] is None:
        return value
    return node.inputs[0]


def _reads(node: ir.Node) -> list[ir.Value]:
    """All a node reads, by its bodies too."""
    found = [value for value in node.inputs if value is not None]
    for graph in _bodies(node):
        for inner in ir.traversal.RecursiveGraphIterator(graph):
            found += [value for value in inner.inputs if value is not None]
        found += list(graph.outputs)
    return found


def _bodies(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def _piece(model: ir.Model, outputs: Sequence[str], inputs: Sequence[str]) -> ir.Model:
    """A clone that computes `outputs`, given `inputs` beside the model's own."""
    clone = model.clone()
    graph = clone.graph
    values = {value.name: value for node in graph for value in node.outputs} | {v.name: v for v in graph.inputs}
    graph.outputs.clear()
    graph.outputs.extend(values[name] for name in outputs)
    public = {value.name for value in graph.inputs}
    for name in dict.fromkeys(inputs):
        old = values[name]
        if name in public:
            continue
        old.name = f"{name}_computed"
        # Shape inference knows no operators of other domains; what they write for others to read is float.
        new = ir.Value(name=name, type=old.type or ir.TensorType(ir.DataType.FLOAT), shape=old.shape)
        ir.convenience.replace_all_uses_with(old, new)
        graph.inputs.append(new)
    _prune(graph)
    RemoveUnused()(clone)
    for value in tuple(graph.inputs):
        if not value.uses() and value not in graph.outputs:
            graph.inputs.remove(value)
    return clone


def _prune(graph: ir.Graph) -> None:
    """Remove nodes that reach no output, bodies and all: what a removed body read would count as used for good."""
    needed = set(graph.outputs)
    for node in reversed(tuple(graph)):
        if needed & set(node.outputs):
            needed |= set(_reads(node))
            continue
        inner = [each for body in _bodies(node) for each in ir.traversal.RecursiveGraphIterator(body)]
        for each in (*inner, node):
            for index in range(len(each.inputs)):
                each.replace_input_with(index, None)
        graph.remove(node)
