"""Conv(Concat(a, b), W) -> Conv(a, W[:, :k]) + Conv(b, W[:, k:]); the same for Gemm and MatMul.

Behind a Concat all operands share one scale, and one 100 times smaller than its neighbour is left two codes. Read
apart, every operand keeps its own scale, and so does its part of the weight. Exact in real numbers; the sum runs in
another order. Costs an Add per operand, so it is done where it was asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, skip, value_names
from ..scope import made_from

__all__ = ["SplitConcats"]


@dataclass(frozen=True, kw_only=True)
class SplitConcats(Pass):
    """Let what reads a Concat read its operands one by one.

    Attributes:
        concats: Regular expressions over the names of Concat nodes.
    """

    concats: tuple[str, ...]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        done = [
            self._try_split(graph, node, reader, taken)
            for node in reversed(tuple(graph))  # a Concat of Concats first: its parts read the inner ones
            if is_op(node, "Concat") and any(re.search(each, node.name or "") for each in self.concats)
            for reader, index in tuple(node.outputs[0].uses())
            if index == 0
        ]
        return ir.passes.PassResult(model, modified=any(done))

    def _try_split(self, graph: ir.Graph, concat: ir.Node, reader: ir.Node, taken: set[str]) -> bool:
        if reader.graph is not graph or not is_op(reader, "Conv", "Gemm", "MatMul"):
            return False
        weight = reader.inputs[1]
        w = constant_array(weight)
        sizes = _sizes(concat, 1 if is_op(reader, "Conv") else -1)
        if w is None or weight is None or sizes is None:
            skip(reader, "its weight is computed at run time, or the Concat before it joins another axis")
            return False
        axis = _input_axis(reader, w)
        if axis is None or w.shape[axis] != sum(sizes):
            skip(reader, "multiplies the Concat before it in groups, transposed or in batches")
            return False
        pieces = np.split(w, np.cumsum(sizes)[:-1], axis=axis)
        bias = reader.inputs[2:]
        new: list[ir.Node] = []
        total: ir.Value | None = None
        old = reader.outputs[0]
        for k, (operand, piece) in enumerate(zip(concat.inputs, pieces, strict=True)):
            part = add_initializer(graph, fresh_name(f"{weight.name}_part{k}", taken), np.ascontiguousarray(piece))
            node = ir.node(
                reader.op_type,
                [operand, part, *(bias if k == 0 else ())],
                reader.attributes.copy(),
                name=fresh_name(f"{reader.name}_part{k}", taken),
            )
            made_from(node, reader)
            _describe(node.outputs[0], f"{old.name}_term{k}", old, taken)
            new.append(node)
            if total is None:
                total = node.outputs[0]
                continue
            add = ir.node("Add", [total, node.outputs[0]], name=fresh_name(f"{reader.name}_add{k}", taken))
            _describe(add.outputs[0], f"{old.name}_sum{k}", old, taken)
            new.append(add)
            total = add.outputs[0]
        assert total is not None
        ir.convenience.replace_nodes_and_values(graph, reader, [reader], new, [old], [total])
        return True


def _sizes(concat: ir.Node, axis: int) -> list[int] | None:
    """Channels of each operand, where the Concat joins them along `axis` and their number is known."""
    sizes = []
    for value in concat.inputs:
        if value is None or value.shape is None:
            return None
        rank = len(value.shape)
        size = value.shape[axis % rank]
        if concat.attributes.get_int("axis", 0) % rank != axis % rank or not isinstance(size, int):
            return None
        sizes.append(size)
    return sizes if len(sizes) > 1 else None


def _input_axis(reader: ir.Node, w: np.ndarray) -> int | None:
    match reader.op_type:
        case "Conv":
            return 1 if reader.attributes.get_int("group", 1) == 1 else None
        case "Gemm":
            if reader.attributes.get_int("transA", 0):
                return None
            return 1 if reader.attributes.get_int("transB", 0) else 0
    return 0 if w.ndim == 2 else None


def _describe(value: ir.Value, name: str, like: ir.Value, taken: set[str]) -> None:
    value.name, value.type, value.shape = fresh_name(name, taken), like.type, like.shape
