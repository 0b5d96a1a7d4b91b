"""W -> Mul(codes - zero, scale) in blocks: few bits in the file, float once loaded.

For every weight that is decided and still read: ONNX Runtime folds the chain at load (constant folding, 1.31.1, also in
the bodies of If, Loop and Scan), so float kernels run as before.

1. 8 and 4 bits: int8 and int4 codes behind a Cast; with zero points uint8, uint4 and a Sub. 3 bits are three planes.
2. Levels: the sixteen numbers that 4 bits stand for, by a Gather.
3. 2 bits: four codes in a byte, taken apart by BitShift and Mod: no runtime of the last years knows a type of 2 bits.

A Reshape follows, and a Slice where the last block of a row is shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..codebook.chain import Chain
from ..codebook.expand import add_levels, add_planes
from ..codebook.levels import Levelled
from ..codebook.notes import levelled_of
from ..codebook.planes import byte_table
from ..edit import add_initializer, fresh_name, insert_after, rewire
from .blocks import Blocks, kernel_bytes
from .storage import Storage, blocks_of, stored_values
from .stored import every_name

__all__ = ["ExpandBlocks"]


@dataclass(frozen=True, kw_only=True)
class ExpandBlocks(Pass):
    """Store what is still read of decided weights in blocks, expanded when the model is loaded."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = every_name(model)
        done = [weight for weight, storage in stored_values(model) if _try_expand(weight, storage, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_expand(weight: ir.Value, storage: Storage, taken: set[str]) -> bool:
    graph, blocks, uses = weight.graph, blocks_of(weight), tuple(weight.uses())
    if graph is None or blocks is None or not uses or weight.const_value is None:
        return False
    chain = _Chain(graph, str(weight.name), taken, levelled_of(weight))
    value = _expanded(chain, blocks, tuple(weight.const_value.shape.numpy()), storage.summed)
    insert_after(graph, chain.first, chain.nodes)
    rewire(uses, value)
    del graph.initializers[str(weight.name)]
    return True


def _expanded(chain: _Chain, blocks: Blocks, shape: tuple[int, ...], summed: Sequence[int]) -> ir.Value:
    """(L, G, size, T) of the codes, times (L, G, 1, T) of the scales, as the weight's (L, K, T)."""
    lead, tail = _size(shape[: min(summed)]), _size(shape[max(summed) + 1 :])
    columns = blocks.codes.shape[1]
    size, count = blocks.form.size or columns, blocks.form.blocks_of(columns)
    # A row shorter than a block has no use for the rest of it.
    size = min(size, columns)
    middle = 1 << blocks.form.bits - 1 if chain.levelled is None else chain.levelled.levels.nothing
    stored = blocks.codes if chain.levelled is None else chain.levelled.codes
    whole = np.pad(stored, ((0, 0), (0, count * size - columns)), constant_values=middle)
    codes = whole.reshape(lead, tail, count, size).transpose(0, 2, 3, 1)

    def of_blocks(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.reshape(lead, tail, count, 1).transpose(0, 2, 3, 1))

    zero = None if blocks.zero is None else of_blocks(blocks.zero)
    value = _codes(chain, codes, zero, blocks.form.bits)
    value = chain.add("Mul", [value, chain.constant("scale", of_blocks(blocks.scale))], "blocks", codes.shape)
    if count * size == columns:
        return value if codes.shape == shape else chain.reshape(value, shape, "expanded")
    value = chain.reshape(value, (lead, count * size, tail), "rows")
    bounds = [
        chain.constant(name, np.asarray([at], np.int64)) for name, at in (("from", 0), ("to", columns), ("axis", 1))
    ]
    value = chain.add("Slice", [value, *bounds], "cut", (lead, columns, tail))
    return value if (lead, columns, tail) == shape else chain.reshape(value, shape, "expanded")


def _codes(chain: _Chain, codes: np.ndarray, zero: np.ndarray | None, bits: int) -> ir.Value:
    """What codes are away from zero, float."""
    middle = 1 << bits - 1
    lowered = None
    if chain.levelled is not None:
        return chain.go_on(add_levels(chain.aside(), codes, chain.levelled.levels.grid.astype(np.float32)))
    if bits == 3 and codes.size % 8 == 0 and chain.has_or:
        joined = chain.go_on(add_planes(chain.aside(), codes, byte_table()))
        value = chain.cast(chain.reshape(joined, codes.shape, "each"), "codes")
        lowered = chain.constant("middle", np.float32(middle)) if zero is None else None
    elif bits == 2 and codes.size % 4 == 0:
        value = _apart(chain, codes)
        lowered = chain.constant("middle", np.float32(middle)) if zero is None else None
    elif zero is None:
        signed = np.int8 if bits == 8 else ml_dtypes.int4
        value = chain.cast(chain.constant("quantized", (codes.astype(np.int16) - middle).astype(signed)), "codes")
    else:
        value = chain.cast(chain.constant("quantized", _narrow(codes, bits)), "codes")
    if zero is not None:
        lowered = chain.cast(chain.constant("zero_point", _narrow(zero, bits)), "zeros")
    return value if lowered is None else chain.add("Sub", [value, lowered], "distances", codes.shape)


def _narrow(codes: np.ndarray, bits: int) -> np.ndarray:
    return codes.astype(np.uint8 if bits == 8 else ml_dtypes.uint4)


def _apart(chain: _Chain, codes: np.ndarray) -> ir.Value:
    """Codes of 2 bits, four in a byte, one by one as floats."""
    packed = chain.constant("quantized", kernel_bytes(codes.reshape(-1), 2, 0)[:, None])
    shifts = chain.constant("shifts", np.asarray([[0, 2, 4, 6]], np.uint8))
    parts, byte = (codes.size // 4, 4), ir.DataType.UINT8
    value = chain.add("BitShift", [packed, shifts], "shifted", parts, byte, direction="RIGHT")
    value = chain.add("Mod", [value, chain.constant("four", np.asarray(4, np.uint8))], "parts", parts, byte)
    return chain.cast(chain.reshape(value, codes.shape, "each"), "codes")


class _Chain:
    """Nodes and constants named after a weight, in order."""

    def __init__(self, graph: ir.Graph, stem: str, taken: set[str], levelled: Levelled | None = None) -> None:
        self._graph, self._stem, self._taken = graph, stem, taken
        self.levelled = levelled
        self._first: ir.Value | None = None
        self.nodes: list[ir.Node] = []

    @property
    def first(self) -> ir.Value:
        """What the nodes come behind."""
        assert self._first is not None, "nothing was written"
        return self._first

    @property
    def has_or(self) -> bool:
        """Whether the operator set has BitwiseOr."""
        return self._graph.opset_imports.get("", 1) >= 18

    def aside(self) -> Chain:
        """Writes nodes in front of these."""
        return Chain(self._graph, self._stem, self._taken)

    def go_on(self, value: ir.Value) -> ir.Value:
        """Put what follows behind a value written aside."""
        self._first = value
        return value

    def constant(self, suffix: str, array: np.ndarray | np.generic) -> ir.Value:
        name = fresh_name(f"{self._stem}_{suffix}", self._taken)
        value = add_initializer(self._graph, name, np.asarray(array))
        if self._first is None:
            self._first = value
        return value

    def add(
        self,
        op: str,
        operands: Sequence[ir.Value],
        suffix: str,
        dims: Sequence[int],
        dtype: ir.DataType | None = ir.DataType.FLOAT,
        **attributes: int | str,
    ) -> ir.Value:
        node = ir.node(op, operands, attributes, name=fresh_name(f"{self._stem}_{op}", self._taken))
        value = node.outputs[0]
        value.name = fresh_name(f"{self._stem}_{suffix}", self._taken)
        value.type, value.shape = ir.TensorType(dtype or ir.DataType.FLOAT), ir.Shape(dims)
        self.nodes.append(node)
        return value

    def cast(self, value: ir.Value, suffix: str) -> ir.Value:
        """The same as float32."""
        dims = [] if value.shape is None else list(value.shape.numpy())
        return self.add("Cast", [value], suffix, dims, to=ir.DataType.FLOAT.value)

    def reshape(self, value: ir.Value, dims: Sequence[int], suffix: str) -> ir.Value:
        shape = self.constant(f"{suffix}_shape", np.asarray(dims, np.int64))
        return self.add("Reshape", [value, shape], suffix, dims, value.dtype)


def _size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
