"""How many tokens there are, told by the mask: what is in a cache, what is new, where the new ones stand."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....passes.edit import add_initializer, fresh_name, value_names
from ....passes.fuse.swap import sweep

__all__ = ["Counts"]

_INT64, _INT32 = ir.DataType.INT64, ir.DataType.INT32
_MASK = "attention_mask"


class Counts:
    """Counts tokens at the beginning of a graph.

    Args:
        graph: Edited.
        ids: The new tokens, (batch, tokens).
        mask: 1 for tokens, 0 for what fills a row up, (batch, tokens in all); None makes one.
    """

    def __init__(self, graph: ir.Graph, ids: ir.Value, mask: ir.Value | None) -> None:
        self._graph = graph
        self._taken = value_names(graph) | {node.name for node in graph if node.name}
        self._ids = ids
        self._last: ir.Node | None = None
        self._constants: dict[str, ir.Value] = {}
        self._positions: ir.Value | None = None
        if mask is None:
            name = fresh_name(_MASK, self._taken)
            mask = ir.Value(name=name, type=ir.TensorType(_INT64), shape=ir.Shape(["batch", "total"]))
            graph.inputs.append(mask)
        self.mask = mask
        one = self.constant("count_one", np.asarray([1], np.int64))
        self._in_all = self.write("Shape", [mask], start=1, end=2)
        self._new = self.write("Shape", [ids], start=1, end=2)
        self._past = self.write("Sub", [self._in_all, self._new])
        self._one_each = self.write("ReduceSum", [mask, one], keepdims=0)
        self._before_last = self.write("Sub", [self._one_each, one])
        self._lengths = self.write("Cast", [self._before_last], _INT32, to=int(_INT32))
        scalar = self.write("Squeeze", [self._in_all])
        self._total = self.write("Cast", [scalar], _INT32, to=int(_INT32))

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        """A constant, one for all that ask for this name."""
        if name not in self._constants:
            self._constants[name] = add_initializer(self._graph, fresh_name(name, self._taken), array)
        return self._constants[name]

    def write(self, op: str, inputs: list[ir.Value], dtype: ir.DataType = _INT64, **attributes: int) -> ir.Value:
        """One more node at the beginning, behind those written so far."""
        return self.put(ir.node(op, inputs, attributes, name=f"/{_MASK}/{op}"), dtype)

    def put(self, node: ir.Node, dtype: ir.DataType | None) -> ir.Value:
        """A node of one's own, likewise; its first output."""
        node.name = fresh_name(str(node.name), self._taken)
        for output in node.outputs:
            output.name = fresh_name(f"{node.name}_output", self._taken)
            if dtype is not None:
                output.type = ir.TensorType(dtype)
        if self._last is None:
            self._graph.insert_before(self._graph[0], node)
        else:
            self._graph.insert_after(self._last, node)
        self._last = node
        return node.outputs[0]

    def count_past(self, shape: ir.Node) -> None:
        """Let a Shape of a cache say how much is in it, not how long it is."""
        cache, old = shape.inputs[0], shape.outputs[0]
        assert cache is not None
        first = self.write("Shape", [cache], start=0, end=2)
        last = self.write("Shape", [cache], start=3, end=4)
        new = self.write("Concat", [first, self._past, last], axis=0)
        start, end = shape.attributes.get_int("start", 0), shape.attributes.get_int("end", 4)
        if (start, end) != (0, 4):
            cut = [self.constant(f"count_{n}", np.asarray([n], np.int64)) for n in (start, end, 0)]
            new = self.write("Slice", [new, *cut])
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        sweep(self._graph, [shape])

    def count_in(self, attention: ir.Node) -> None:
        """Tell an attention how many tokens there are."""
        old = [value.producer() for value in attention.inputs[5:7] if value is not None]
        attention.replace_input_with(5, self._lengths)
        attention.replace_input_with(6, self._total)
        sweep(self._graph, [node for node in old if node is not None])

    def add_cache(self, attention: ir.Node) -> None:
        """Give an attention a past, which is one more input of the graph, and a present, one more output."""
        attention.resize_outputs(3)
        for index in (0, 1):
            past = ir.Value(name=fresh_name("past", self._taken), type=ir.TensorType(ir.DataType.FLOAT))
            present = attention.outputs[1 + index]
            present.name, present.type = fresh_name("present", self._taken), ir.TensorType(ir.DataType.FLOAT)
            self._graph.inputs.append(past)
            self._graph.outputs.append(present)
            attention.replace_input_with(3 + index, past)
        self.count_in(attention)

    def positions(self) -> ir.Value:
        """Where the new tokens stand, (batch, tokens): as GroupQueryAttention counts, a first prompt from 0."""
        if self._positions is None:
            zero, one = (self.constant(f"count_scalar_{n}", np.asarray(n, np.int64)) for n in (0, 1))
            axis = self.constant("count_one", np.asarray([1], np.int64))
            steps = self.write("Range", [zero, self.write("Squeeze", [self._new]), one])
            first = self.write("Sub", [self._one_each, self._new])
            first = self.write("Max", [first, zero])
            self._positions = self.write("Add", [self.write("Unsqueeze", [first, axis]), steps])
        return self._positions
