"""Small graph edits on use-def edges, and the questions passes ask of values.

Every function works on edges (`value.uses()`), never on names; see STYLE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import onnx_ir as ir

from .outside import outside

__all__ = [
    "FOLDED_AT_LOAD",
    "SkipNotes",
    "add_initializer",
    "add_lazy_initializer",
    "constant_array",
    "constant_scalar",
    "fresh_name",
    "insert_after",
    "is_constant",
    "is_op",
    "is_overridable",
    "opset_of",
    "remark",
    "remarks_of",
    "remarks_on",
    "rewire",
    "skip",
    "sole_consumer",
    "subgraph_nodes",
    "value_names",
    "why_skipped",
]

_SKIPPED = "edgec.skipped"
_REMARKED = "edgec.remarked"
# Constants of fewer bytes are not worth a file.
_LARGE = 1 << 16
# Metadata of nodes over constants that the runtime folds when it loads: they are compact in the file on purpose.
FOLDED_AT_LOAD = "edgec.folded_at_load"


def constant_array(value: ir.Value | None) -> np.ndarray | None:
    """The array of a value that is constant for good; None for the rest.

    An initializer that is also a graph input can be overridden at run time: it is no constant.
    """
    if value is None or is_overridable(value):
        return None
    tensor = _constant_tensor(value)
    return None if tensor is None else tensor.numpy()


def constant_scalar(value: ir.Value | None) -> float | None:
    """The number of a value that is constant for good and holds one; shape () or, as exporters write it, (1,)."""
    array = constant_array(value)
    return None if array is None or array.size != 1 else float(array.reshape(()))


def is_constant(value: ir.Value | None) -> bool:
    """Whether a value is constant for good, without reading its bytes."""
    return value is not None and not is_overridable(value) and _constant_tensor(value) is not None


def is_op(node: ir.Node | None, *ops: str) -> bool:
    """Whether a node is one of these ONNX operators; another domain's operator of that name is none."""
    return node is not None and node.op_type in ops and node.domain in ("", "ai.onnx")


def is_overridable(value: ir.Value) -> bool:
    """Whether a value is an initializer that the caller may replace: it is a graph input too."""
    return value.is_graph_input() and value.is_initializer()


def sole_consumer(value: ir.Value) -> ir.Node | None:
    """The one node that reads `value`, when it is read once and is no graph output."""
    uses = tuple(value.uses())
    if len(uses) != 1 or value.is_graph_output():
        return None
    return uses[0][0]


def subgraph_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Nodes inside If, Loop and Scan bodies, at any depth."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.graph is not model.graph:
            yield node


def value_names(graph: ir.Graph) -> set[str]:
    """Every value name in the graph and its subgraphs."""
    names = {value.name for value in (*graph.inputs, *graph.initializers.values()) if value.name}
    for node in ir.traversal.RecursiveGraphIterator(graph):
        names.update(value.name for value in node.outputs if value.name)
        for attribute in node.attributes.values():
            for body in _bodies(attribute):
                names.update(value.name for value in (*body.inputs, *body.initializers.values()) if value.name)
    return names


def fresh_name(wanted: str, taken: set[str]) -> str:
    """`wanted`, or `wanted_1`, `wanted_2`, … when taken; the answer is then taken too."""
    name, k = wanted, 0
    while name in taken:
        k += 1
        name = f"{wanted}_{k}"
    taken.add(name)
    return name


def add_initializer(graph: ir.Graph, name: str, array: np.ndarray, dtype: ir.DataType | None = None) -> ir.Value:
    """Register a constant and return its value. `name` must be free. A large one is put away where there is a place."""
    keeper = outside().keeper if array.nbytes >= _LARGE else None
    tensor = ir.Tensor(array, dtype=dtype, name=name) if keeper is None else keeper.put(array, dtype).tensor(name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def add_lazy_initializer(
    graph: ir.Graph, name: str, make: Callable[[], np.ndarray], dtype: ir.DataType, shape: ir.Shape
) -> ir.Value:
    """Register a constant whose array is made each time it is read, and never kept. `name` must be free."""
    tensor = ir.LazyTensor(lambda: ir.Tensor(make(), dtype=dtype, name=name), dtype=dtype, shape=shape, name=name)
    value = ir.Value(name=name, shape=shape, type=ir.TensorType(dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def insert_after(graph: ir.Graph, value: ir.Value, nodes: Iterable[ir.Node]) -> None:
    """Insert nodes right after the producer of `value`, or first in the graph when it has none here."""
    producer = value.producer()
    if producer is not None and producer.graph is graph:
        graph.insert_after(producer, nodes)
        return
    first = next(iter(graph), None)
    if first is None:
        graph.extend(nodes)
    else:
        graph.insert_before(first, nodes)


def rewire(uses: Iterable[tuple[ir.Node, int]], value: ir.Value) -> None:
    """Point each (node, input index) at `value`. Collect the uses before building the new consumer."""
    for node, index in uses:
        node.replace_input_with(index, value)


def opset_of(model: ir.Model) -> int:
    """The version of the default operator set."""
    return model.graph.opset_imports.get("", model.graph.opset_imports.get("ai.onnx", 1))


def skip(node: ir.Node, reason: str) -> None:
    """Remember why a pass left a node alone; the first reason stands."""
    node.meta.setdefault(_SKIPPED, reason)


def why_skipped(node: ir.Node) -> str | None:
    """The reason given to `skip`, if any."""
    reason = node.meta.get(_SKIPPED)
    return None if reason is None else str(reason)


def remark(node: ir.Node, *what: str) -> None:
    """Remember what the user should know of how a node was done, which is no reason for it to stay float."""
    node.meta[_REMARKED] = tuple(dict.fromkeys((*remarks_on(node), *what)))


def remarks_on(node: ir.Node) -> tuple[str, ...]:
    """What `remark` was given, in order; a node that takes another's place is given it again."""
    found: tuple[str, ...] = node.meta.get(_REMARKED, ())
    return found


def remarks_of(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """Node name → remarks, of a whole model."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    return {node.name or node.op_type: remarks_on(node) for node in nodes if remarks_on(node)}


class SkipNotes(dict[str, str]):
    """Node name → reason it was left alone, of a whole model."""

    @classmethod
    def of(cls, model: ir.Model) -> SkipNotes:
        """Collect what `skip` remembered."""
        found = (
            (node.name or node.op_type, why_skipped(node)) for node in ir.traversal.RecursiveGraphIterator(model.graph)
        )
        return cls({name: reason for name, reason in found if reason is not None})


def _constant_tensor(value: ir.Value) -> ir.TensorProtocol | None:
    """The tensor of an initializer or of a Constant node that was not made one."""
    node = value.producer()
    if value.const_value is not None or node is None or not is_op(node, "Constant"):
        return value.const_value
    if "sparse_value" in node.attributes:
        return None
    # `get_const_tensor` names the node's tensor after the value, and a clone shares tensors with the caller's model.
    tensor = node.attributes.get_tensor("value", None)
    return ir.convenience.get_const_tensor(value) if tensor is None else tensor


def _bodies(attribute: ir.Attr) -> Iterator[ir.Graph]:
    if attribute.type == ir.AttributeType.GRAPH:
        yield attribute.as_graph()
    elif attribute.type == ir.AttributeType.GRAPHS:
        yield from attribute.as_graphs()
