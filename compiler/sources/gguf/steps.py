"""Nodes over constants that ONNX Runtime folds when it loads: compact in the file, wide in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ....passes.edit import FOLDED_AT_LOAD
from ..decoder.writer import Writer

__all__ = ["Steps"]


class Steps:
    """Writes what one constant is made of; asked for the same step again, it hands out the first.

    Args:
        writer: Writes the graph.
        name: The weight that is made.
    """

    def __init__(self, writer: Writer, name: str) -> None:
        self._writer = writer
        self._name = name

    def stored(self, what: str, make: Callable[[], np.ndarray], dims: Sequence[int], dtype: ir.DataType) -> ir.Value:
        """What the file holds, made when it is written."""
        return self._writer.lazy(f"{self._name}_{what}", make, dims, dtype)

    def shared(self, name: str, array: np.ndarray) -> ir.Value:
        """A table that many weights read."""
        return self._writer.constant(name, array)

    def step(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        what: str,
        dims: Sequence[int],
        dtype: ir.DataType = ir.DataType.FLOAT,
        **attributes: Any,
    ) -> ir.Value:
        """One node."""
        name = f"{self._name}_{what}_{op}"
        found = next((node.outputs[0] for node in self._writer.graph if node.name == name), None)
        if found is None:
            found = self._writer.write(op, inputs, name=name, dims=dims, dtype=dtype, **attributes)
            producer = found.producer()
            assert producer is not None
            producer.metadata_props[FOLDED_AT_LOAD] = "1"
        return found

    def looked_up(self, table: ir.Value, index: ir.Value, what: str) -> ir.Value:
        """The rows of a table that unsigned integers of at most 16 bits name: (..., n) to (..., n, row)."""
        assert table.dtype is not None
        dims = [*_dims(index), *_dims(table)[1:]]
        return self.step("Gather", [table, self.cast(index, ir.DataType.INT32, what)], what, dims, table.dtype, axis=0)

    def cast(self, value: ir.Value, dtype: ir.DataType, what: str) -> ir.Value:
        """The same numbers in another type; themselves where it is theirs."""
        if value.dtype == dtype:
            return value
        return self.step("Cast", [value], what, _dims(value), dtype, to=int(dtype))

    def reshape(self, value: ir.Value, dims: Sequence[int], what: str) -> ir.Value:
        """The same numbers in another shape."""
        assert value.dtype is not None
        shape = self._writer.constant(f"shape_{'_'.join(map(str, dims))}", np.asarray(dims, np.int64))
        return self.step("Reshape", [value, shape], what, dims, value.dtype)


def _dims(value: ir.Value) -> list[int]:
    assert value.shape is not None
    return [int(dim) for dim in value.shape.numpy()]
