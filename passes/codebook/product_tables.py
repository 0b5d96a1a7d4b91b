"""Gather(table, i) -> Reshape(Gather(centers, Gather(codes, i) + starts)): embeddings in one or two bits a number.

1. Tables (V, D) that only Gathers on axis 0 read, with indices of a known rank: D / length bytes a row, and 256 centers
   for each part, in float16, for all rows together. Not those of rotary positions (`weight_only/angles.py`).

1024 rows of 384 in 48 bytes each, one thread, ms: .470; float .054, 8 bits a number .163 (ONNX Runtime 1.31.1): for
tables that are most of a file. Left alone, with the reason: rows that parts do not divide, numbers that float16 does
not hold.
Scope: the main graph and bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, insert_after, is_op, is_overridable, skip
from ..scope import out_of_scope
from ..weight_only.angles import holds_angles
from ..weight_only.storage import keep
from ..weight_only.stored import every_name
from .product import CENTERS, ProductCodes, product_codes

__all__ = ["ProductTables"]

_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, kw_only=True)
class ProductTables(Pass):
    """Store tables as codes of their rows' parts.

    Attributes:
        length: Numbers that one byte stands for.
        seed: Of the search for centers.
        minimum: Fewest rows of a table: with fewer, centers take more than they save.
    """

    length: int = 4
    seed: int = 0
    minimum: int = 2 * CENTERS
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"length: {self.length} is below 1")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        tables = [value for graph in (model.graph, *model.graph.subgraphs()) for value in graph.initializers.values()]
        done = [table for table in tables if self._try_store(table, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_store(self, table: ir.Value, taken: set[str]) -> bool:
        graph, readers = table.graph, tuple(table.uses())
        if graph is None or not self._is_table(table) or not all(_by_row(*each) for each in readers) or not readers:
            return False
        x = constant_array(table)
        assert x is not None
        reason = next((why for node, _ in readers if (why := self._why_not(node, x))), None)
        if reason is not None:
            for node, _ in readers:
                skip(node, reason)
            return False
        writer = _Writer(graph, table, product_codes(x, self.length, self.seed), taken)
        for node, _ in readers:
            writer.replace(node)
        del graph.initializers[str(table.name)]
        return True

    def _is_table(self, table: ir.Value) -> bool:
        held = table.const_value
        if held is None or held.dtype != ir.DataType.FLOAT or len(held.shape) != 2 or is_overridable(table):
            return False
        return not table.is_graph_output() and held.shape.numpy()[0] >= self.minimum and not holds_angles(table)

    def _why_not(self, node: ir.Node, x: np.ndarray) -> str | None:
        if node.name in self.float_nodes:
            return "was measured to be better off in float, weights included"
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        if (reason := out_of_scope(node, **scope)) is not None:
            return reason
        if node.inputs[1] is None or node.inputs[1].shape is None:
            return "reads rows by indices of unknown rank"
        if x.shape[1] % self.length:
            return f"has rows of {x.shape[1]} numbers, which parts of {self.length} do not divide"
        return None if np.abs(x).max() < _LARGEST else "has numbers that float16 does not hold"


def _by_row(node: ir.Node, index: int) -> bool:
    return is_op(node, "Gather") and index == 0 and node.attributes.get_int("axis", 0) in (0, -2)


class _Writer:
    """What reads one table, in nodes."""

    def __init__(self, graph: ir.Graph, table: ir.Value, made: ProductCodes, taken: set[str]) -> None:
        self._stem, self._taken = str(table.name), taken
        self._parts, _, self._length = made.centers.shape

        def constant(suffix: str, array: np.ndarray) -> ir.Value:
            value = add_initializer(graph, fresh_name(f"{self._stem}_{suffix}", taken), array)
            keep(value)
            return value

        self._codes = constant("codes", made.codes)
        self._starts = constant("starts", np.arange(self._parts, dtype=np.int32) * CENTERS)
        halves = constant("centers", made.centers.reshape(-1, self._length))
        self._constant = constant
        made_nodes: list[ir.Node] = []
        dims = (self._parts * CENTERS, self._length)
        self._centers = self._add("Cast", [halves], dims, ir.DataType.FLOAT, made_nodes, to=ir.DataType.FLOAT.value)
        insert_after(graph, halves, made_nodes)

    def replace(self, node: ir.Node) -> None:
        """Read rows of codes, then what they stand for."""
        graph, (old,), indices = node.graph, node.outputs, node.inputs[1]
        assert isinstance(graph, ir.Graph)
        assert indices is not None
        assert indices.shape is not None
        rank = len(indices.shape)
        lead = tuple(indices.shape)
        made: list[ir.Node] = []
        int32, kind = ir.DataType.INT32, ir.DataType.FLOAT
        codes = self._add("Gather", [self._codes, indices], (*lead, self._parts), ir.DataType.UINT8, made, axis=0)
        codes = self._add("Cast", [codes], (*lead, self._parts), int32, made, to=int32.value)
        codes = self._add("Add", [codes, self._starts], (*lead, self._parts), int32, made)
        dims = (*lead, self._parts, self._length)
        parts = self._add("Gather", [self._centers, codes], dims, kind, made, axis=0)
        # 0 keeps an axis.
        shape = self._constant("row_shape", np.array([0] * rank + [self._parts * self._length], np.int64))
        rows = self._add("Reshape", [parts, shape], (*lead, self._parts * self._length), kind, made)
        rows.name, rows.type, rows.shape = old.name, old.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], made, [old], [rows])

    def _add(
        self,
        op: str,
        operands: list[ir.Value],
        dims: tuple[object, ...],
        dtype: ir.DataType,
        nodes: list[ir.Node],
        **attributes: int,
    ) -> ir.Value:
        node = ir.node(op, operands, attributes, name=fresh_name(f"{self._stem}_{op}", self._taken))
        value = node.outputs[0]
        value.name = fresh_name(f"{node.name}_Output", self._taken)
        value.type, value.shape = ir.TensorType(dtype), ir.Shape(dims)  # type: ignore[arg-type]
        nodes.append(node)
        return value
