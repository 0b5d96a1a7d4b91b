"""A matrix in blocks: MatMulNBits, GatherBlockQuantized.

A tied table is stored once: MatMulNBits reads the bytes of the table through a Reshape, which ONNX Runtime folds when
it loads (ONNX Runtime 1.31.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ....passes.weight_only.blocks import BlockForm, Blocks, kernel_bytes
from .writer import Writer, dims_of

__all__ = ["BlockMatrix"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockMatrix:
    """Codes in blocks along K.

    Attributes:
        name: Of the weight.
        shape: (N, K).
        form: Bits and size of a block.
        zeros: Whether blocks have zero points of their own.
        blocks: Makes the blocks.
        level: `accuracy_level`: 4 rounds what is multiplied to 8 bits per block, 1 does not.
    """

    name: str
    shape: tuple[int, int]
    form: BlockForm
    zeros: bool
    blocks: Callable[[], Blocks]
    level: int

    def multiply(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        outputs, inputs = self.shape
        bits, size = self.form.bits, self.form.size
        groups = self.form.blocks_of(inputs)
        dims = (outputs, groups, size * bits // 8)
        codes = writer.graph.initializers.get(f"{self.name}_quantized")
        if codes is None:
            blocked = writer.lazy(f"{self.name}_quantized", self._blocked, dims, ir.DataType.UINT8)
        else:
            shape = writer.constant(f"{self.name}_blocks", np.asarray(dims, np.int64))
            blocked = writer.write(
                "Reshape", [codes, shape], name=f"{name}/Reshape", dims=dims, dtype=ir.DataType.UINT8
            )
        scale, zero = self._numbers(writer)
        described = (f"{name}/MatMul/output_0", ir.DataType.FLOAT, [*dims_of(x)[:-1], outputs])
        return writer.contrib(
            "MatMulNBits",
            [x, blocked, scale, zero, None, bias],
            name=f"{name}/MatMul",
            outputs=[described],
            K=inputs,
            N=outputs,
            bits=bits,
            block_size=size,
            accuracy_level=self.level,
        )[0]

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        # Rows as wide as the output: blocks that are filled up at a row's end are stored for the product alone.
        inputs, whole = self.shape[1], self.shape[1] % self.form.size == 0
        dims = (self.shape[0], -(-inputs * self.form.bits // 8))
        stored = f"{self.name}_quantized" if whole else f"{self.name}_rows_quantized"
        codes = writer.lazy(stored, self._codes if whole else self._rows, dims, ir.DataType.UINT8)
        scale, zero = self._numbers(writer)
        described = (f"{name}/Gather/output_0", ir.DataType.FLOAT, [*dims_of(ids), self.shape[1]])
        return writer.contrib(
            "GatherBlockQuantized",
            [codes, ids, scale, zero],
            name=f"{name}/Gather",
            outputs=[described],
            bits=self.form.bits,
            block_size=self.form.size,
            gather_axis=0,
            quantize_axis=1,
        )[0]

    def _numbers(self, writer: Writer) -> tuple[ir.Value, ir.Value | None]:
        """Scales and zero points."""
        rows, groups = self.shape[0], self.form.blocks_of(self.shape[1])
        scale = writer.lazy(f"{self.name}_scale", lambda: self.blocks().scale, (rows, groups), ir.DataType.FLOAT)
        if not self.zeros:
            return scale, None
        dims = (rows, -(-groups * self.form.bits // 8))
        return scale, writer.lazy(f"{self.name}_zero_point", self._zeros, dims, ir.DataType.UINT8)

    def _rows(self) -> np.ndarray:
        return kernel_bytes(self.blocks().codes, self.form.bits, 0)

    def _blocked(self) -> np.ndarray:
        return self._codes().reshape(self.shape[0], -1, self.form.size * self.form.bits // 8)

    def _codes(self) -> np.ndarray:
        codes, middle = self.blocks().codes, 1 << (self.form.bits - 1)
        missing = -codes.shape[1] % self.form.size
        return kernel_bytes(np.pad(codes, [(0, 0), (0, missing)], constant_values=middle), self.form.bits, middle)

    def _zeros(self) -> np.ndarray:
        zero = self.blocks().zero
        assert zero is not None
        return kernel_bytes(zero, self.form.bits, 0)
