"""The values of attention heads: which outputs of a product are one head, and where they are read.

Labels are traced from every product with a constant through what moves elements, bias, and attention: MatMul(p, v)
sums up rows of v, so that its columns stay what they are. A head is the run of labels along the last axis of v. Where
all that reads a head are products with constants that hold it as one run, it can be rotated: v Q, and Qᵀ in those.

Anything else that touches a label holds it: a nonlinearity, a cache that leaves the graph, queries and keys, whose
product is not such a sum. Scope: the main graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ..edit import is_constant, is_op, remark, subgraph_nodes
from .matrices import matrix_of
from .movers import expand, reshape, slice_, split

__all__ = ["Edge", "Heads", "heads_of"]

_SHAPERS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Edge:
    """A constant that writes or reads heads.

    Attributes:
        node, index: Who reads it, and as which input.
        axis: Along which of its axes the heads lie.
        labels: Of the elements along that axis, 0 for those of no head; (length,).
    """

    node: ir.Node
    index: int
    axis: int
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heads:
    """Heads that one product writes.

    Attributes:
        node: The product.
        width: Channels of a head.
        blocks: The first label of each head.
        edges: Constants that write or read them.
    """

    node: ir.Node
    width: int
    blocks: tuple[int, ...]
    edges: tuple[Edge, ...]


def heads_of(model: ir.Model) -> Iterator[Heads]:
    """The heads of the main graph that can be rotated, by the product that writes them.

    Products whose heads are held say why.
    """
    trace = _Trace()
    captured = {value for node in subgraph_nodes(model) for value in node.inputs if value is not None}
    for node in model.graph:
        trace.visit(node)
    for value, labels in trace.values.items():
        if value.is_graph_output():
            trace.hold(labels, f"writes heads that leave the graph in {value.name!r}")
        elif value in captured:
            trace.hold(labels, "writes heads that a body of If, Loop or Scan reads")
    for node, labels in trace.sources.items():
        if (found := trace.heads(node, labels)) is not None:
            yield found


@dataclass(kw_only=True, slots=True, eq=False)
class _Trace:
    count: int = 1
    values: dict[ir.Value, np.ndarray] = field(default_factory=dict)
    sources: dict[ir.Node, np.ndarray] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    held: dict[int, str] = field(default_factory=dict)
    blocks: dict[int, np.ndarray] = field(default_factory=dict)

    def visit(self, node: ir.Node) -> None:
        """Label what a node writes; hold what it reads otherwise."""
        matrix = matrix_of(node)
        inputs = [None if value is None else self.values.get(value) for value in node.inputs]
        if matrix is not None:
            self._product(node, matrix.holder, matrix.index, matrix.inputs, inputs[0])
            labels = self._fresh(node, matrix.holder, matrix.index, matrix.outputs)
            if matrix.bias is not None:
                self.edges.append(Edge(node=node, index=matrix.bias, axis=-1, labels=labels))
            rank = len(node.inputs[0].shape or ()) if node.inputs[0] is not None else 0
            if rank < 2:
                self.hold(labels, "reads an input of unknown rank")
            else:
                self.values[node.outputs[0]] = labels.reshape((1,) * (rank - 1) + (-1,))
            return
        if all(labels is None for labels in inputs):
            return
        outputs = self._carried(node, inputs)
        if outputs is None:
            for each in inputs:
                if each is not None:
                    self.hold(each, f"writes heads that {node.op_type} {node.name!r} reads")
            return
        for value, behind in zip(node.outputs, outputs, strict=False):
            self.values[value] = behind

    def hold(self, labels: np.ndarray, reason: str) -> None:
        """These labels stay as they are."""
        for label in np.unique(labels).tolist():
            self.held.setdefault(label, reason)

    def heads(self, node: ir.Node, labels: np.ndarray) -> Heads | None:
        """The heads among the labels of a product; None where there are none, or one of their readers cuts them."""
        mine = {first: block for first, block in self.blocks.items() if labels[0] <= first <= labels[-1]}
        if not mine:
            return None
        widths = {block.size for block in mine.values()}
        edges = [edge for edge in self.edges if np.isin(edge.labels, np.concatenate(list(mine.values()))).any()]
        reason = None if len(widths) == 1 else "writes heads of several widths"
        for block in mine.values():
            reason = reason or next((self.held[k] for k in block.tolist() if k in self.held), None)
        width = max(widths)
        if reason is None and not all(_is_whole(edge.labels, mine, width) for edge in edges):
            reason = "writes heads that some product reads in parts"
        if reason is not None:
            remark(node, f"is not rotated: {reason}")
            return None
        return Heads(node=node, width=width, blocks=tuple(mine), edges=tuple(edges))

    def _fresh(self, node: ir.Node, holder: ir.Node, index: int, axis: int) -> np.ndarray:
        weight = holder.inputs[index]
        assert weight is not None
        assert weight.shape is not None
        start, self.count = self.count, self.count + int(weight.shape.numpy()[axis])
        labels = np.arange(start, self.count)
        self.sources[node] = labels
        self.edges.append(Edge(node=holder, index=index, axis=axis, labels=labels))
        if weight.dtype != ir.DataType.FLOAT:
            self.hold(labels, "has a weight that is not FLOAT")
        return labels

    def _product(self, node: ir.Node, holder: ir.Node, index: int, axis: int, x: np.ndarray | None) -> None:
        """A product with a constant reads labels along the last axis."""
        if x is None:
            return
        weight = holder.inputs[index]
        assert weight is not None
        assert weight.shape is not None
        if x.size != x.shape[-1] or x.size != weight.shape.numpy()[axis] or weight.dtype != ir.DataType.FLOAT:
            self.hold(x, f"writes heads that {node.op_type} {node.name!r} reads in parts")
            return
        self.edges.append(Edge(node=holder, index=index, axis=axis, labels=x.reshape(-1)))

    def _carried(self, node: ir.Node, inputs: list[np.ndarray | None]) -> list[np.ndarray] | None:
        """Labels behind a node that moves elements, adds a constant, or attends; None where it does neither."""
        x = inputs[0]
        if is_op(node, "MatMul"):
            return self._attended(inputs)
        if is_op(node, "Add"):
            return self._biased(node, inputs)
        if is_op(node, "Concat"):
            return self._joined(node, inputs)
        if x is None or any(labels is not None for labels in inputs[1:]):
            return None
        if is_op(node, "Identity"):
            return [x]
        if is_op(node, "Shape"):
            return []
        if is_op(node, "Transpose"):
            return [np.transpose(x, node.attributes.get_ints("perm", tuple(reversed(range(x.ndim)))))]
        if is_op(node, *_SHAPERS):
            return reshape(x, node.inputs[0], node.outputs[0])
        if is_op(node, "Split"):
            return split(node, x)
        if is_op(node, "Slice"):
            return slice_(node, x)
        return expand(node, x) if is_op(node, "Expand") else None

    def _attended(self, inputs: list[np.ndarray | None]) -> list[np.ndarray] | None:
        """MatMul(p, v): the last axis of v holds its heads."""
        p, v = inputs
        if p is not None or v is None or v.ndim < 3 or v.shape[-2] != 1 or v.shape[-1] == 1:
            return None
        for block in v.reshape(-1, v.shape[-1]):
            known = self.blocks.setdefault(int(block[0]), block)
            if not np.array_equal(known, block):
                self.hold(block, "writes heads that are cut in two ways")
                self.hold(known, "writes heads that are cut in two ways")
        return [v]

    def _joined(self, node: ir.Node, inputs: list[np.ndarray | None]) -> list[np.ndarray] | None:
        """Heads beside others, as a cache holds them, are followed to their attention, but held."""
        known = [labels for labels in inputs if labels is not None]
        if len(known) > 1 or known[0].shape[node.attributes.get_int("axis", 0) % known[0].ndim] != 1:
            return None
        self.hold(known[0], f"writes heads that Concat {node.name!r} puts beside others, as a cache does")
        return known

    def _biased(self, node: ir.Node, inputs: list[np.ndarray | None]) -> list[np.ndarray] | None:
        """A constant added along the last axis is rotated too."""
        index = next((k for k in (0, 1) if inputs[k] is not None), 0)
        x, constant = inputs[index], node.inputs[1 - index]
        if x is None or constant is None or not is_constant(constant) or constant.dtype != ir.DataType.FLOAT:
            return None
        rank = 0 if constant.shape is None else len(constant.shape)
        if x.size != x.shape[-1] or rank != 1:
            return None
        self.edges.append(Edge(node=node, index=1 - index, axis=-1, labels=x.reshape(-1)))
        return [x]


def _is_whole(labels: np.ndarray, blocks: dict[int, np.ndarray], width: int) -> bool:
    """Whether labels hold every head they touch as one run that starts at a multiple of its width."""
    inside = np.isin(labels, np.concatenate(list(blocks.values())))
    if labels.size % width:
        return False
    for run, touched in zip(labels.reshape(-1, width), inside.reshape(-1, width), strict=True):
        if touched.any() and not np.array_equal(run, blocks.get(int(run[0]), np.empty(0))):
            return False
    return True
