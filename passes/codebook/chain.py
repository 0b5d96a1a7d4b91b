"""Nodes over constants, which ONNX Runtime computes once, when a model is loaded, before kernels lay out their weights.

Constant folding (ONNX Runtime 1.31.1, every optimization level but the lowest) replaces such a chain by its result. It
leaves DequantizeLinear alone, so none is written here. What is left of a model then has no trace of the chain; the file
has nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name, insert_after

__all__ = ["Chain"]


class Chain:
    """Writes nodes in front of a graph, named after what they serve.

    Args:
        graph: The graph that reads the result.
        stem: What names begin with.
        taken: Names in use; those added are taken too.
        behind: A result of another chain that this one reads; None begins at the start of the graph.
    """

    def __init__(self, graph: ir.Graph, stem: str, taken: set[str], behind: ir.Value | None = None) -> None:
        self._graph, self._stem, self._taken = graph, stem, taken
        self._last = behind

    def constant(self, suffix: str, array: np.ndarray | np.generic) -> ir.Value:
        """A constant `stem_suffix`."""
        return add_initializer(self._graph, fresh_name(f"{self._stem}_{suffix}", self._taken), np.asarray(array))

    def add(
        self,
        op: str,
        operands: Sequence[ir.Value],
        suffix: str,
        dims: Sequence[int],
        dtype: ir.DataType,
        **attributes: int | str,
    ) -> ir.Value:
        """The result, `stem_suffix`, of one more node."""
        return self.split(op, operands, (suffix,), dims, dtype, **attributes)[0]

    def split(
        self,
        op: str,
        operands: Sequence[ir.Value],
        suffixes: Sequence[str],
        dims: Sequence[int],
        dtype: ir.DataType,
        **attributes: int | str,
    ) -> Sequence[ir.Value]:
        """The results of one more node, all of the same type and shape."""
        name = fresh_name(f"{self._stem}_{op}", self._taken)
        node = ir.node(op, operands, attributes, name=name, num_outputs=len(suffixes))
        for value, suffix in zip(node.outputs, suffixes, strict=True):
            value.name = fresh_name(f"{self._stem}_{suffix}", self._taken)
            value.type, value.shape = ir.TensorType(dtype), ir.Shape(dims)
        insert_after(self._graph, self._last or operands[0], [node])
        self._last = node.outputs[0]
        return node.outputs

    def cast(self, value: ir.Value, suffix: str, dtype: ir.DataType) -> ir.Value:
        """The same numbers in another type."""
        return self.add("Cast", [value], suffix, _dims(value), dtype, to=dtype.value)

    def reshape(self, value: ir.Value, suffix: str, dims: Sequence[int]) -> ir.Value:
        """The same numbers in another shape."""
        shape = self.constant(f"{suffix}_shape", np.asarray(dims, np.int64))
        assert value.dtype is not None
        return self.add("Reshape", [value, shape], suffix, dims, value.dtype)


def _dims(value: ir.Value) -> tuple[int, ...]:
    assert value.shape is not None
    return tuple(value.shape.numpy())
