"""Matrices of a GGUF file as a decoder's graph writes them: MatMulNBits and GatherBlockQuantized, none rounded again.

    W = (codes - zero) * scale + rest

`rest` is there for types with a minimum m: zero = round(-m / scale) is what an integer can say of it, and
rest = m + zero * scale what it cannot. A product with W is then the kernel's, plus that of the sums of x over blocks
with `rest`. (With zero 0 and all of m in `rest` the kernel's int8 rounding of x would cost several times as much.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ....passes.weight_only.blocks import kernel_bytes
from ..decoder.writer import Writer
from .expand import expand_codes, expand_scales, fields_of
from .integers import Integers, Scales
from .kinds import FLOATS, KINDS, Kind
from .read import GgufTensor
from .steps import Steps

__all__ = ["HalfMatrix", "QuantizedMatrix"]

# Elements decoded at a time: bounds what is held beside the result.
_AT_ONCE = 1 << 20
# Smaller matrices are stored as the kernel reads them: nodes and tables would take more than they save.
_COMPACT_FROM = 1 << 16
_BYTE, _FLOAT = ir.DataType.UINT8, ir.DataType.FLOAT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QuantizedMatrix:
    """A matrix of a quantized type.

    Attributes:
        name: Of the weight.
        tensor: What the file holds; read a few rows at a time.
        level: `accuracy_level` of MatMulNBits: 4 rounds what is multiplied to 8 bits per block, 1 does not.
    """

    name: str
    tensor: GgufTensor
    level: int = 4

    @property
    def kind(self) -> Kind:
        """Its type."""
        return KINDS[self.tensor.kind]

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs, (N, K)."""
        rows, columns = self.tensor.shape
        return rows, columns

    def multiply(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        """X Wᵀ + bias."""
        rows, columns = self.shape
        kind, steps, groups = self.kind, Steps(writer, self.name), columns // self.kind.size
        dims = [*_dims(x)[:-1], rows]
        codes, scale, zero = self._operands(steps)
        blocked = steps.reshape(codes, (rows, groups, kind.size * kind.bits // 8), "blocks")
        product = writer.contrib(
            "MatMulNBits",
            [x, blocked, scale, zero, None, bias],
            name=f"{name}/MatMul",
            outputs=[(f"{name}/MatMul/output_0", _FLOAT, dims)],
            K=columns,
            N=rows,
            bits=kind.bits,
            block_size=kind.size,
            accuracy_level=self.level,
        )[0]
        if kind.zero is not None:
            return product
        rest = steps.step("Transpose", [self._rest(steps, scale, zero)], "rest", (groups, rows), perm=[1, 0])
        more = writer.write("MatMul", [self._sums(writer, x), rest], name=f"{name}/rest/MatMul", dims=dims)
        return writer.write("Add", [product, more], name=f"{name}/rest/Add", dims=dims)

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        """W[ids]."""
        columns, kind, steps = self.shape[1], self.kind, Steps(writer, self.name)
        dims = [*_dims(ids), columns]
        codes, scale, zero = self._operands(steps)
        found = writer.contrib(
            "GatherBlockQuantized",
            [codes, ids, scale, zero],
            name=f"{name}/Gather",
            outputs=[(f"{name}/Gather/output_0", _FLOAT, dims)],
            bits=kind.bits,
            block_size=kind.size,
            gather_axis=0,
            quantize_axis=1,
        )[0]
        if kind.zero is not None:
            return found
        groups = columns // kind.size
        parts = [*_dims(ids), groups, kind.size]
        rest = self._rest(steps, scale, zero)
        more = writer.write("Gather", [rest, ids], name=f"{name}/rest/Gather", dims=[*_dims(ids), groups])
        last = writer.constant("last_axis", np.asarray([-1], np.int64))
        more = writer.write("Unsqueeze", [more, last], name=f"{name}/rest/Unsqueeze", dims=[*_dims(ids), groups, 1])
        split = writer.constant(f"{groups}_blocks_of_{kind.size}", _kept(len(dims) - 1, groups, kind.size))
        found = writer.write("Reshape", [found, split], name=f"{name}/rest/Reshape", dims=parts)
        found = writer.write("Add", [found, more], name=f"{name}/rest/Add", dims=parts)
        joined = writer.constant(f"{columns}_columns", _kept(len(dims) - 1, columns))
        return writer.write("Reshape", [found, joined], name=f"{name}/rest/Reshape_1", dims=dims)

    def _operands(self, steps: Steps) -> tuple[ir.Value, ir.Value, ir.Value | None]:
        """The kernel's codes, (N, K bits / 8), scales and zero points."""
        (rows, columns), kind = self.shape, self.kind
        groups = columns // kind.size
        if self._compact:
            codes = expand_codes(steps, kind, self.shape, self.decode)
            scale = expand_scales(steps, kind, "scale", (rows, groups), self.decode, lambda i: i.scale)
        else:
            width = columns * kind.bits // 8
            codes = steps.stored("quantized", lambda: self.decode(self._codes), (rows, width), _BYTE)
            scale = steps.stored("scale", lambda: self.decode(self._scales), (rows, groups), _FLOAT)
        if kind.zero == 1 << (kind.bits - 1):
            return codes, scale, None
        each = -(-groups * kind.bits // 8)
        make = self._nearest_zeros if kind.zero is None else self._same_zeros
        return codes, scale, steps.stored("zero_point", make, (rows, each), _BYTE)

    def _rest(self, steps: Steps, scale: ir.Value, zero: ir.Value | None) -> ir.Value:
        """What the zero points leave of the minima, float32 (N, G)."""
        assert zero is not None
        rows, groups = self.shape[0], self.shape[1] // self.kind.size
        shape = (rows, groups)
        if not self._compact:
            return steps.stored("rest", lambda: self.decode(self._rests), shape, _FLOAT)
        minimum = expand_scales(steps, self.kind, "minimum", shape, self.decode, _minimum)
        if self.kind.bits == 8:
            whole = steps.cast(zero, _FLOAT, "zeros")
        else:
            table = steps.shared("byte_halves", fields_of(4).astype(np.float32))
            whole = steps.looked_up(table, zero, "zeros")
            if groups % 2:
                whole = steps.reshape(whole, (rows, groups + 1), "zeros_filled")
                bounds = [steps.shared(f"columns_{at}", np.asarray([at], np.int64)) for at in (0, groups, 1)]
                whole = steps.step("Slice", [whole, bounds[0], bounds[1], bounds[2]], "zeros", shape)
            else:
                whole = steps.reshape(whole, shape, "zeros")
        return steps.step("Add", [minimum, steps.step("Mul", [whole, scale], "zeros", shape)], "rest", shape)

    def _sums(self, writer: Writer, x: ir.Value) -> ir.Value:
        """The sums of x over blocks, (…, G): once for all products of x."""
        groups, size = self.shape[1] // self.kind.size, self.kind.size
        name, outer = f"{x.name}/sums_of_{size}", _dims(x)[:-1]
        for node, _ in x.uses():
            if node.name == f"{name}/Reshape":
                return next(iter(node.outputs[0].consumers())).outputs[0]
        split = writer.constant(f"{groups}_blocks_of_{size}", _kept(len(outer), groups, size))
        blocks = writer.write("Reshape", [x, split], name=f"{name}/Reshape", dims=[*outer, groups, size])
        last = writer.constant("last_axis", np.asarray([-1], np.int64))
        return writer.write("ReduceSum", [blocks, last], name=f"{name}/ReduceSum", dims=[*outer, groups], keepdims=0)

    def decode(self, make: Callable[[Integers], np.ndarray]) -> np.ndarray:
        """What `make` makes of all rows, decoded a few at a time."""
        step = max(1, _AT_ONCE // self.shape[1])
        parts = []
        for start in range(0, self.shape[0], step):
            raw = self.tensor.rows(start, start + step)
            parts.append(make(self.kind.unpack(raw.reshape(-1, self.kind.nbytes)).in_rows(len(raw))))
        return np.concatenate(parts)

    @property
    def _compact(self) -> bool:
        return self.shape[0] * self.shape[1] >= _COMPACT_FROM

    def _codes(self, integers: Integers) -> np.ndarray:
        return kernel_bytes((integers.whole + (self.kind.zero or 0)).astype(np.uint8), self.kind.bits, 0)

    def _scales(self, integers: Integers) -> np.ndarray:
        scale = integers.scale.real
        return np.repeat(scale, self.shape[1] // self.kind.size // scale.shape[1], axis=1)

    def _zeros(self, integers: Integers) -> np.ndarray:
        """Zero points of types with a minimum: float64, whole, those of the kernel's codes nearest to where 0 is."""
        scale, least = integers.scale.real.astype(np.float64), _minimum(integers).real.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            nearest = np.clip(np.rint(-least / scale), 0, (1 << self.kind.bits) - 1)
        zeros: np.ndarray = np.where(scale == 0, 0.0, nearest)
        return zeros

    def _rests(self, integers: Integers) -> np.ndarray:
        rest: np.ndarray = self._zeros(integers) * integers.scale.real + _minimum(integers).real
        return rest.astype(np.float32)

    def _nearest_zeros(self) -> np.ndarray:
        return self.decode(lambda i: kernel_bytes(self._zeros(i).astype(np.uint8), self.kind.bits, 0))

    def _same_zeros(self) -> np.ndarray:
        groups = self.shape[1] // self.kind.size
        return kernel_bytes(np.full((self.shape[0], groups), self.kind.zero, np.uint8), self.kind.bits, 0)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HalfMatrix:
    """A matrix of 16-bit floats: stored once, in the order of the file, float32 where it is multiplied.

    Attributes:
        name: Of the weight.
        tensor: What the file holds.
    """

    name: str
    tensor: GgufTensor

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs, (N, K)."""
        rows, columns = self.tensor.shape
        return rows, columns

    def multiply(self, writer: Writer, x: ir.Value, name: str, bias: ir.Value | None) -> ir.Value:
        """X Wᵀ + bias."""
        rows, columns = self.shape
        steps, dims = Steps(writer, self.name), [*_dims(x)[:-1], rows]
        wide = steps.cast(self._stored(steps), _FLOAT, "float")
        weight = steps.step("Transpose", [wide], "float", (columns, rows), perm=[1, 0])
        product = writer.write("MatMul", [x, weight], name=f"{name}/MatMul", dims=dims)
        return product if bias is None else writer.write("Add", [product, bias], name=f"{name}/Add", dims=dims)

    def look_up(self, writer: Writer, ids: ir.Value, name: str) -> ir.Value:
        """W[ids]."""
        table, dims = self._stored(Steps(writer, self.name)), [*_dims(ids), self.shape[1]]
        assert table.dtype is not None
        found = writer.write("Gather", [table, ids], name=f"{name}/Gather", dims=dims, dtype=table.dtype)
        return writer.write("Cast", [found], name=f"{name}/Cast", dims=dims, to=int(_FLOAT))

    def _stored(self, steps: Steps) -> ir.Value:
        kind = ir.DataType.from_numpy(FLOATS[self.tensor.kind])
        return steps.stored(kind.name.lower(), self.tensor.floats, self.shape, kind)


def _minimum(integers: Integers) -> Scales:
    assert integers.minimum is not None
    return integers.minimum


def _kept(outer: int, *inner: int) -> np.ndarray:
    """A Reshape's shape: the outer dimensions as they are."""
    return np.asarray([0] * outer + list(inner), np.int64)


def _dims(value: ir.Value) -> list[int | str]:
    assert value.shape is not None
    return [dim if isinstance(dim, int) else str(dim) for dim in value.shape]
