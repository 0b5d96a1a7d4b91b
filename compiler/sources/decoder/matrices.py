"""Matrices of a decoder: each knows how it is multiplied and looked up, and what is stored of it.

1. Float: MatMul with the transposed matrix, Gather. A tied table is stored once: Gemm takes it as Gather reads it.
2. Blocks: MatMulNBits, GatherBlockQuantized. A tied table is stored once: MatMulNBits reads the bytes of the table
   through a Reshape, which ONNX Runtime folds when it loads (weightonly reference 1.9; ONNX Runtime 1.31.1).
3. Anything else that says the same of itself: formats with corrections or codebooks bring a `Matrix` of their own.

Arrays are asked for again each time they are read: a mapping that maps a file or computes keeps nothing in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import onnx_ir as ir

from ....errors import ModelError
from ....passes.weight_only.blocks import BlockForm, Blocks, kernel_bytes
from .writer import Writer

__all__ = ["BlockMatrix", "FloatMatrix", "Matrix", "Weight", "matrix_of", "vector_of"]

# What has a kernel (ONNX Runtime 1.31.1, MatMulNBits on CPU; weightonly reference 0.1).
_BITS = (2, 4, 8)
_SIZES = (16, 32, 64, 128, 256)


@runtime_checkable
class Matrix(Protocol):
    """A matrix (N, K) of a decoder."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Outputs and inputs, (N, K)."""
        ...

    def multiply(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        """Write x Wᵀ + bias: (…, K) → (…, N), its nodes called `name`/…, MatMul the product."""
        ...

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        """Write W[ids]: (…) → (…, K), its nodes called `name`/…."""
        ...


# What a mapping of weights holds: floats as an array or as a tensor that reads them when asked, blocks, or a matrix.
Weight: TypeAlias = np.ndarray | ir.TensorProtocol | Blocks | Matrix


def matrix_of(weights: Mapping[str, Weight], name: str, shape: tuple[int, int], origin: str, level: int) -> Matrix:
    """The matrix of this name.

    Args:
        weights: By name.
        name: Which one.
        shape: What it must have, (N, K).
        origin: Where the weights come from, for messages.
        level: `accuracy_level` of MatMulNBits.

    Raises:
        ModelError: It is missing, has another shape, or is in blocks that no kernel multiplies.
    """
    found = _weight(weights, name, origin)
    if isinstance(found, Blocks):
        _check_shape(found.codes.shape, shape, name, origin)
        if found.form.bits not in _BITS or found.form.size not in _SIZES:
            raise ModelError(
                f"{origin}, weight {name!r}",
                f"is in {found.form.bits}-bit blocks of {found.form.size or shape[1]}, which no kernel multiplies",
                remedy=f"Give blocks of {', '.join(map(str, _SIZES))} elements, of 2, 4 or 8 bits",
            )

        def blocks() -> Blocks:
            again = weights[name]
            assert isinstance(again, Blocks)
            return again

        return BlockMatrix(
            name=name, shape=shape, form=found.form, zeros=found.zero is not None, blocks=blocks, level=level
        )
    _check_shape(_shape(found), shape, name, origin)
    if isinstance(found, np.ndarray | ir.TensorProtocol):
        return FloatMatrix(name=name, shape=shape, array=lambda: _floats(weights[name]))
    return found


def vector_of(writer: Writer, weights: Mapping[str, Weight], name: str, size: int, origin: str) -> ir.Value:
    """A float vector as a constant of its name.

    Raises:
        ModelError: It is missing, or no vector of this size.
    """
    found = _weight(weights, name, origin)
    if not isinstance(found, np.ndarray | ir.TensorProtocol):
        raise ModelError(
            f"{origin}, weight {name!r}", "is not an array of floats", remedy="Store norms and biases as floats"
        )
    _check_shape(_shape(found), (size,), name, origin)
    return writer.constant(name, np.asarray(_floats(found), np.float32))


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
        dims = [*_dims(x)[:-1], outputs]
        product = writer.write("MatMul", [x, weight], name=f"{name}/MatMul", dims=dims)
        if bias is None:
            return product
        return writer.write("Add", [product, bias], name=f"{name}/Add", dims=dims)

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        table = writer.lazy(self.name, self._plain, self.shape, ir.DataType.FLOAT)
        return writer.write("Gather", [table, ids], name=f"{name}/Gather", dims=[*_dims(ids), self.shape[1]])

    def _tied(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        """The product with a table that is there already, as it is stored: of rows, which Gemm takes transposed."""
        (outputs, inputs), int64 = self.shape, ir.DataType.INT64
        leading = _dims(x)[:-1]
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
        described = (f"{name}/MatMul/output_0", ir.DataType.FLOAT, [*_dims(x)[:-1], outputs])
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
        described = (f"{name}/Gather/output_0", ir.DataType.FLOAT, [*_dims(ids), self.shape[1]])
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


def _floats(weight: Weight) -> np.ndarray:
    if isinstance(weight, np.ndarray):
        return weight
    assert isinstance(weight, ir.TensorProtocol)
    return weight.numpy()


def _shape(weight: np.ndarray | ir.TensorProtocol | Matrix) -> tuple[int, ...]:
    return tuple(weight.shape.numpy()) if isinstance(weight, ir.TensorProtocol) else tuple(weight.shape)


def _weight(weights: Mapping[str, Weight], name: str, origin: str) -> Weight:
    if name not in weights:
        raise ModelError(
            origin, f"has no weight {name!r}", remedy="Copy the checkpoint again, or check its configuration"
        )
    return weights[name]


def _check_shape(found: tuple[int, ...], needed: tuple[int, ...], name: str, origin: str) -> None:
    if tuple(found) != needed:
        raise ModelError(
            f"{origin}, weight {name!r}",
            f"is {list(found)}, its configuration needs {list(needed)}",
            remedy="Check that configuration and weights belong together",
        )


def _dims(value: ir.Value) -> list[int | str]:
    assert value.shape is not None
    return [dim if isinstance(dim, int) else str(dim) for dim in value.shape]
