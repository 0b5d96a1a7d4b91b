"""Rows of cosines and sines for a graph's first tokens, as tables for all positions of a context.

A row must not depend on how many there are: the count of tokens may only end a Range or a Slice, or be a size that
something is repeated to. Then the same steps with a longer count give the same rows, and more.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....passes.edit import constant_array, is_constant, is_op
from ....passes.fuse.sizes import Sizes
from .counts import Counts

__all__ = ["Tables"]

# What takes the count as an end or a size: operator → inputs.
_ENDS = {"Range": (1,), "Slice": (2,), "Expand": (1,), "Reshape": (1,), "ConstantOfShape": (0,)}


class Tables:
    """Widens the tables of rotations.

    Args:
        ids: Tokens of the graph.
        sizes: Those of the graph as it was.
        counts: Where new nodes go.
        context: How many positions.
    """

    def __init__(self, ids: ir.Value, sizes: Sizes, counts: Counts, context: int) -> None:
        dims = sizes.of(ids)
        assert dims is not None
        self._tokens = dims[1]
        self._sizes = sizes
        self._counts = counts
        self._context = context
        self._made: dict[ir.Value, ir.Value] = {}

    def widen(self, rotation: ir.Node) -> None:
        """Let a rotation read tables of a whole context, at the positions of its tokens.

        Raises:
            ValueError: Its rows depend on the tokens or on their number.
        """
        for index in (2, 3):
            rows = rotation.inputs[index]
            assert rows is not None
            dims = self._sizes.of(rows)
            if dims is None or len(dims) != 2 or dims[0] != self._tokens:
                raise ValueError(f"turns queries or keys by rows that are not one per token, in {rotation.name}")
            rotation.replace_input_with(index, self._wide(rows, rotation))
        rotation.replace_input_with(1, self._counts.positions())

    def _wide(self, value: ir.Value, reader: ir.Node) -> ir.Value:
        if is_constant(value):
            return value
        held = self._sizes.held(value)
        if held is not None:
            # Asked anew by every reader: as an end the number of tokens is harmless, as a number it is not.
            return self._counted(value, held, reader)
        if value not in self._made:
            self._made[value] = self._again(value)
        return self._made[value]

    def _counted(self, value: ir.Value, held: np.ndarray, reader: ir.Node) -> ir.Value:
        """Sizes, those of the tokens as long as the context."""
        sizes = held.reshape(-1)
        if any(size.number is None and size != self._tokens for size in sizes):
            raise ValueError(f"turns queries and keys by {value.name!r}, which depends on what is given")
        end = is_op(reader, *_ENDS) and list(reader.inputs).index(value) in _ENDS[reader.op_type]
        if not end and any(size.number is None for size in sizes):
            raise ValueError(f"turns queries and keys by how many tokens there are, in {reader.name}")
        numbers = [self._context if size.number is None else size.number for size in sizes]
        return self._counts.constant(f"{value.name}_wide", np.asarray(numbers, np.int64).reshape(held.shape))

    def _again(self, value: ir.Value) -> ir.Value:
        """The same of a longer count."""
        node = value.producer()
        if node is None:
            raise ValueError(f"turns queries and keys by {value.name!r}, which depends on what is given")
        inputs = [None if each is None else self._wide(each, node) for each in node.inputs]
        made = ir.Node(node.domain, node.op_type, inputs, list(node.attributes.values()), name=f"{node.name}_wide")
        return self._counts.put(made, value.dtype)


def longest(graph: ir.Graph, most: int) -> int:
    """How many positions the constant tables of a graph's rotations have; `most` where there is none."""
    left = [value for node in graph if node.op_type == "RotaryEmbedding" for value in node.inputs[2:4]]
    seen: set[ir.Value] = set()
    while left:
        value = left.pop()
        node = None if value is None or value in seen else value.producer()
        if value is None or node is None:
            continue
        seen.add(value)
        table = node.inputs[0]
        if is_op(node, "Slice", "Gather", "GatherND") and table is not None and is_constant(table) and _by_rows(node):
            rows = table.shape[0] if table.shape is not None and len(table.shape) > 1 else None
            most = min(most, rows) if isinstance(rows, int) else most
        left += node.inputs
    return most


def _by_rows(node: ir.Node) -> bool:
    """Whether a node picks rows of what it reads."""
    if is_op(node, "Slice"):
        axes = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
        return axes is not None and 0 in axes
    return node.attributes.get_int("axis", 0) == 0 and node.attributes.get_int("batch_dims", 0) == 0
