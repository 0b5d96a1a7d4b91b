"""A matrix of floats: MatMul with the transposed matrix, Gather. A tied table is stored once, as Gather reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .writer import Writer, dims_of

__all__ = ["FloatMatrix"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FloatMatrix:
    """Floats, stored as float32.

    Attributes:
        name: Of the weight.
        shape: (N, K).
        array: Makes the array, any float type.
    """

    name: str
    shape: tuple[int, int]
    array: Callable[[], np.ndarray]

    def multiply(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        outputs, inputs = self.shape
        if self.name in writer.graph.initializers:
            return self._tied(writer, x, name, bias)
        stored = f"{name.strip('/').replace('/', '.')}.weight"
        weight = writer.lazy(stored, self._transposed, (inputs, outputs), ir.DataType.FLOAT)
        dims = [*dims_of(x)[:-1], outputs]
        product = writer.write("MatMul", [x, weight], name=f"{name}/MatMul", dims=dims)
        if bias is None:
            return product
        return writer.write("Add", [product, bias], name=f"{name}/Add", dims=dims)

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        table = writer.lazy(self.name, self._plain, self.shape, ir.DataType.FLOAT)
        return writer.write("Gather", [table, ids], name=f"{name}/Gather", dims=[*dims_of(ids), self.shape[1]])

    def _tied(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        """The product with a table that is there already, as it is stored: of rows, which Gemm takes transposed."""
        (outputs, inputs), int64 = self.shape, ir.DataType.INT64
        leading = dims_of(x)[:-1]
        rows = writer.constant(f"{self.name}_rows", np.asarray([-1, inputs], np.int64))
        width = writer.constant(f"{self.name}_width", np.asarray([outputs], np.int64))
        flat = writer.write("Reshape", [x, rows], name=f"{name}/Reshape", dims=("tokens", inputs))
        operands = [flat, writer.graph.initializers[self.name], *([] if bias is None else [bias])]
        product = writer.write("Gemm", operands, name=f"{name}/Gemm", dims=("tokens", outputs), transB=1)
        shape = writer.write("Shape", [x], name=f"{name}/Shape", dims=(len(leading),), dtype=int64, end=-1)
        whole = writer.write(
            "Concat", [shape, width], name=f"{name}/Concat", dims=(len(leading) + 1,), dtype=int64, axis=0
        )
        return writer.write("Reshape", [product, whole], name=f"{name}/Reshape_1", dims=[*leading, outputs])

    def _transposed(self) -> np.ndarray:
        return np.ascontiguousarray(self.array().T, dtype=np.float32)

    def _plain(self) -> np.ndarray:
        return np.ascontiguousarray(self.array(), dtype=np.float32)
