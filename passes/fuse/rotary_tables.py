"""Cosines and sines as RotaryEmbedding reads them: rows of half a head's width, from what a graph has of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_op, value_names
from .lanes import Lane, Lanes
from .size import ONE, Size
from .swap import name_outputs

__all__ = ["Table", "Tables"]


@dataclass(frozen=True, slots=True)
class Table:
    """Elements of a value's last axis, under a function, times a number.

    Attributes:
        leaf: The value.
        start, step, count: Which elements.
        function: `Cos`, `Sin` or none.
        factor: The number.
    """

    leaf: ir.Value
    start: int
    step: int
    count: int
    function: str
    factor: float

    @staticmethod
    def of(first: Sequence[Lane], second: Sequence[Lane], factor: float, lanes: Lanes) -> Table | None:
        """The table that both lanes of every pair read; None where they read different ones."""
        leaves = {(lane.leaf, lane.function) for lane in (*first, *second)}
        if len(leaves) != 1:
            return None
        [(leaf, function)] = leaves
        where, there = ([lane.index for lane in one] for one in (first, second))
        step = where[1] - where[0] if len(where) > 1 else 1
        if step < 1 or where != list(range(where[0], where[0] + step * len(where), step)):
            return None
        if there != where and not _alike(leaf, where, there, lanes):
            return None
        return Table(leaf, where[0], step, len(where), function, factor)


class Tables:
    """Writes tables into a graph, each once.

    Args:
        graph: Edited.
        lanes: Its values as they were.
    """

    def __init__(self, graph: ir.Graph, lanes: Lanes) -> None:
        self._lanes = lanes
        self.taken = value_names(graph) | {node.name for node in graph if node.name}
        self._graph = graph
        self._made: dict[Table, ir.Value] = {}
        self._counted: dict[tuple[ir.Value, Size, Size], ir.Value] = {}
        self._constants: dict[str, ir.Value] = {}

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        """A constant, one for all that ask for this name."""
        if name not in self._constants:
            self._constants[name] = add_initializer(self._graph, fresh_name(name, self.taken), array)
        return self._constants[name]

    def rows(self, table: Table) -> ir.Value:
        """A table as (rows, width), made where its values are known."""
        if table not in self._made:
            self._made[table] = self._write(table)
        return self._made[table]

    def positions(self, table: Table, rows: ir.Value, batch: Size, tokens: Size) -> ir.Value:
        """Which row is whose: those of a row per token from 0 on; where every batch has its own, all in order."""
        before = [size for size in self._lanes.sizes(table.leaf)[:-1] if size != ONE]
        if batch == ONE or before in ([], [tokens]):
            return self.constant("rotary_first", np.asarray([0], np.int64))
        key = (rows, batch, tokens)
        if key not in self._counted:
            self._counted[key] = self._count(table.leaf, rows, tokens)
        return self._counted[key]

    def _write(self, table: Table) -> ir.Value:
        leaf = table.leaf
        name, nodes, value = str(leaf.name), [], leaf
        dims = self._lanes.sizes(leaf)
        if (table.start, table.step, table.count) != (0, 1, dims[-1].number):
            end = table.start + (table.count - 1) * table.step + 1
            numbers = {"start": table.start, "end": end, "last": -1, "step": table.step}
            cut = [self.constant(f"rotary_{k}_{n}", np.asarray([n], np.int64)) for k, n in numbers.items()]
            nodes.append(ir.node("Slice", [value, *cut], name=f"{name}_half"))
            value = nodes[-1].outputs[0]
        if table.function:
            nodes.append(ir.node(table.function, [value], name=f"{name}_{table.function}"))
            value = nodes[-1].outputs[0]
        if table.factor != 1.0:
            assert leaf.dtype is not None
            factor = np.asarray(table.factor, leaf.dtype.numpy())
            nodes.append(ir.node("Mul", [value, self.constant(f"{name}_times_{table.factor:g}", factor)],
                                 name=f"{name}_scaled"))  # fmt: skip
            value = nodes[-1].outputs[0]
        if len(dims) != 2:
            shape = self.constant(f"rotary_rows_{table.count}", np.asarray([-1, table.count], np.int64))
            nodes.append(ir.node("Reshape", [value, shape], name=f"{name}_rows"))
            value = nodes[-1].outputs[0]
        for node in nodes:
            name_outputs(node, leaf, self.taken)
        insert_after(self._graph, leaf, nodes)
        return value

    def _count(self, leaf: ir.Value, rows: ir.Value, tokens: Size) -> ir.Value:
        """0, 1, … rows - 1 as (batch, tokens)."""
        name, whole = str(leaf.name), ir.TensorType(ir.DataType.INT64)
        number = self.constant("rotary_0", np.asarray(0, np.int64))
        nodes = [ir.node("Shape", [rows], name=f"{name}_rows_Shape")]
        nodes.append(ir.node("Gather", [nodes[-1].outputs[0], number], name=f"{name}_rows_count"))
        one = self.constant("rotary_1", np.asarray(1, np.int64))
        nodes.append(ir.node("Range", [number, nodes[-1].outputs[0], one], name=f"{name}_rows_Range"))
        counted = nodes[-1].outputs[0]
        if tokens == ONE:
            shape = self.constant("rotary_one_token", np.asarray([-1, 1], np.int64))
        else:
            nodes.append(ir.node("Shape", [leaf], name=f"{name}_Shape"))
            # Axes of one beside those of batch and tokens fall away.
            keep = [axis for axis, size in enumerate(self._lanes.sizes(leaf)[:-1]) if size != ONE]
            picked = self.constant(f"rotary_axes_{'_'.join(map(str, keep))}", np.asarray(keep, np.int64))
            nodes.append(ir.node("Gather", [nodes[-1].outputs[0], picked], name=f"{name}_batch_and_tokens"))
            shape = nodes[-1].outputs[0]
        nodes.append(ir.node("Reshape", [counted, shape], name=f"{name}_positions"))
        for node in nodes:
            for output in node.outputs:
                output.type = whole
            name_outputs(node, leaf, self.taken)
        insert_after(self._graph, rows, nodes)
        return nodes[-1].outputs[0]


def _alike(leaf: ir.Value, where: Sequence[int], there: Sequence[int], lanes: Lanes) -> bool:
    """Whether these columns of a table are the same numbers as those, by the constant that it is rows of."""
    value: ir.Value | None = leaf
    while value is not None:
        array = constant_array(value)
        if array is not None:
            return array.ndim > 0 and np.array_equal(array[..., list(where)], array[..., list(there)])
        node = value.producer()
        if node is None or node.inputs[0] is None or not _keeps_columns(node, lanes):
            return False
        value = node.inputs[0]
    return False


def _keeps_columns(node: ir.Node, lanes: Lanes) -> bool:
    """Whether a node only picks rows, or says in other words how they lie."""
    before, after = lanes.sizes(node.inputs[0]), lanes.sizes(node.outputs[0])
    if len(before) < 2 or not after or before[-1] != after[-1]:
        return False
    if is_op(node, "Gather"):
        return node.attributes.get_int("axis", 0) not in (-1, len(before) - 1)
    if is_op(node, "GatherND"):
        picked = lanes.sizes(node.inputs[1])
        count = picked[-1].number if picked else None
        return count is not None and count < len(before) and not node.attributes.get_int("batch_dims", 0)
    if is_op(node, "Slice"):
        axes = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
        return axes is not None and not {-1, len(before) - 1} & {int(axis) for axis in axes}
    return is_op(node, "Unsqueeze", "Squeeze", "Reshape", "Expand", "Identity")
