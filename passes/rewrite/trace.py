"""Which channels of a graph must be scaled together: labels on the elements of values, traced through the operators.

Every value gets an integer array of labels, of its own rank, with size 1 along axes where the label does not vary:
(1, C, 1, 1) behind a Conv. Elements of one label can be divided by one positive factor without changing the function,
as long as the layers that write the label are divided and those that read it multiplied. Label 0 is pinned: its
factor is 1. A Conv, Gemm or MatMul with a constant weight writes fresh labels and reads old ones, a depthwise Conv
among them; a residual Add makes two labels one; Concat, Split, Reshape and Transpose move labels as they move
elements; whatever is not understood pins what it touches.

Scope: the main graph. What a graph output or the body of an If, Loop or Scan reads is pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from ..edit import is_constant, is_op, subgraph_nodes
from .carriers import JOINERS, carry, has_ceiling
from .channels import Ceiling, Channels, Factor, Scaled
from .linear import Linear, linear_of
from .norms import norm_of

__all__ = ["Tracer", "trace_channels"]

PINNED = np.zeros((), np.int64)


def trace_channels(model: ir.Model, *, norms: bool = False) -> Channels:
    """Label the channels of the main graph.

    Args:
        model: The model.
        norms: Normalizations and products with a constant per channel write labels of their own, values that meet
            in an Add keep theirs, and a reader that does not scale pins nothing: it is listed as foreign.
    """
    work = Tracer(norms=norms)
    captured = {value for node in subgraph_nodes(model) for value in node.inputs if value is not None}
    for node in model.graph:
        work.visit(node)
    for value, labels in work.values.items():
        if value.is_graph_output() or value in captured:
            work.pin(labels)
    return work.resolved()


@dataclass
class Tracer:
    """Labels given so far, and which of them were found to be the same."""

    norms: bool
    count: int = 1
    same: list[np.ndarray] = field(default_factory=list)
    values: dict[ir.Value, np.ndarray] = field(default_factory=dict)
    layers: list[Scaled] = field(default_factory=list)
    factors: list[Factor] = field(default_factory=list)
    ceilings: list[Ceiling] = field(default_factory=list)
    foreign: dict[ir.Value, tuple[tuple[ir.Node, int], ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    bound: list[np.ndarray] = field(default_factory=list)

    def visit(self, node: ir.Node) -> None:
        layer = linear_of(node)
        if isinstance(layer, Linear):
            self._layer(node, layer)
            return
        inputs = [None if value is None or is_constant(value) else self._labels(value) for value in node.inputs]
        outputs = self._offset(node, inputs)
        if outputs is None:
            outputs = self._gain(node, inputs) if self.norms else self._ceiling(node, inputs)
        if outputs is None and not (self.norms and is_op(node, *JOINERS)):
            outputs = carry(node, inputs, self)
        if outputs is None:
            self._refuse(node, inputs, layer or f"{node.op_type} does not scale channel by channel")
            return
        for value, labels in zip(node.outputs, outputs, strict=True):
            self.values[value] = labels

    def _refuse(self, node: ir.Node, inputs: Sequence[np.ndarray | None], reason: str) -> None:
        """The node does not scale: what it reads is pinned, or has a foreign reader."""
        for index, (value, labels) in enumerate(zip(node.inputs, inputs, strict=False)):
            if value is None or labels is None or not labels.any():
                continue
            self.refused[str(node.name)] = reason
            if self.norms:
                self.foreign[value] = (*self.foreign.get(value, ()), (node, index))
                self.bound.append(labels.reshape(-1))
            else:
                self.pin(labels)

    def _layer(self, node: ir.Node, layer: Linear) -> None:
        x = node.inputs[0]
        columns = layer.columns_of(PINNED if x is None else self._labels(x))
        if columns is None:
            assert x is not None
            self._refuse(node, [self._labels(x)], "its channels are not along one axis of its input")
            columns = np.zeros((layer.groups, layer.inputs), np.int64)
        rows = self.fresh((layer.groups, layer.outputs))
        labels = layer.labels_behind(rows, None if x is None or x.shape is None else len(x.shape))
        if labels is None:
            rows = np.zeros_like(rows)
        else:
            self.values[node.outputs[0]] = labels
        self.layers.append(Scaled(layer=layer, rows=rows, columns=columns))

    def _offset(self, node: ir.Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
        """A constant c that does not widen x: x + c, c + x, x - c, min(x, c) or max(x, c)."""
        if not is_op(node, "Add", "Sub", "Min", "Max") or len(inputs) != 2 or node.inputs[1] is None:
            return None
        index = next((k for k in (1, 0) if inputs[k] is None), None)
        if index is None or (index == 0 and node.op_type == "Sub"):
            return None
        constant, x = node.inputs[index], inputs[1 - index]
        if x is None or constant is None or constant.shape is None or len(constant.shape) > x.ndim:
            return None
        if constant.dtype != ir.DataType.FLOAT:
            return None
        self.factors.append(Factor(node=node, index=index, rows=x, columns=PINNED))
        return [x]

    def _ceiling(self, node: ir.Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
        """ReLU6 and its kin."""
        x = inputs[0] if inputs else None
        if x is None or x.ndim == 0 or not has_ceiling(node):
            return None
        self.ceilings.append(Ceiling(node=node, rows=x))
        return [x]

    def _gain(self, node: ir.Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
        """Normalizations (see `norms`), and x * c with a constant c that varies."""
        out, norm = node.outputs[0].shape, norm_of(node)
        if is_op(node, "Mul"):
            index = next((k for k in (1, 0) if inputs[k] is None), None)
            x = None if index is None else inputs[1 - index]
            indices: tuple[int, ...] = () if index is None else (index,)
        elif norm is not None:
            wanted = (norm.gain, norm.offset)
            x, indices = PINNED, tuple(k for k in wanted if k is not None and k < len(node.inputs) and node.inputs[k])
        else:
            return None
        constants = [node.inputs[k] for k in indices]
        others = [value for k, value in enumerate(node.outputs) if k and (norm is None or k != norm.total)]
        if x is None or out is None or not constants or any(tuple(other.uses()) for other in others):
            return None
        if any(c is None or not is_constant(c) or c.dtype != ir.DataType.FLOAT or c.shape is None for c in constants):
            return None
        dims = [c.shape.numpy() for c in constants if c is not None and c.shape is not None]
        rank = len(out)
        if len(set(dims)) > 1 or len(dims[0]) > rank or np.prod(dims[0]) == 1 or x.ndim not in (0, rank):
            return None
        if norm is not None:
            self._refuse(node, inputs, f"{node.op_type} does not scale channel by channel")
        rows = self.fresh(dims[0])
        for k in indices:
            columns = x if is_op(node, "Mul") and x.ndim else PINNED
            self.factors.append(Factor(node=node, index=k, rows=rows, columns=columns))
        return [rows.reshape((1,) * (rank - rows.ndim) + rows.shape), *[PINNED] * (len(node.outputs) - 1)]

    def _labels(self, value: ir.Value) -> np.ndarray:
        return self.values.get(value, PINNED)

    def fresh(self, shape: tuple[int, ...]) -> np.ndarray:
        """New labels."""
        start, self.count = self.count, self.count + int(np.prod(shape))
        return np.arange(start, self.count, dtype=np.int64).reshape(shape)

    def join(self, a: np.ndarray, b: np.ndarray) -> None:
        """The labels of a and b, broadcast, are the same."""
        self.same.append(np.stack([each.reshape(-1) for each in np.broadcast_arrays(a, b)]))

    def is_bound(self, labels: np.ndarray) -> bool:
        """Whether some node that does not scale was seen to read one of these labels."""
        return any(np.isin(labels, each).any() for each in self.bound)

    def pin(self, labels: np.ndarray) -> None:
        self.join(labels, PINNED)

    def resolved(self) -> Channels:
        """One label per set of joined labels, the pinned ones 0."""
        # 22 MB, which a compile that equalizes nothing does not take.
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        a, b = np.concatenate([*self.same, np.zeros((2, 1), np.int64)], axis=1)
        edges = coo_array((np.ones(a.size, np.int8), (a, b)), shape=(self.count, self.count))
        # Components are numbered in the order they are met: that of label 0 is 0.
        count, root = connected_components(edges, directed=False)
        root = root.astype(np.int64)
        return Channels(
            count=int(count),
            values={value: root[labels] for value, labels in self.values.items()},
            layers=tuple(
                Scaled(layer=each.layer, rows=root[each.rows], columns=root[each.columns]) for each in self.layers
            ),
            factors=tuple(
                Factor(node=each.node, index=each.index, rows=root[each.rows], columns=root[each.columns])
                for each in self.factors
            ),
            ceilings=tuple(Ceiling(node=each.node, rows=root[each.rows]) for each in self.ceilings),
            foreign=self.foreign,
            refused=self.refused,
        )
