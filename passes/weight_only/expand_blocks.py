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
from ..edit import rewire
from .blocks import Blocks, kernel_bytes
from .storage import Storage, blocks_of, stored_values
from .stored import every_name

__all__ = ["ExpandBlocks"]

_FLOAT = ir.DataType.FLOAT


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
    shape = tuple(weight.const_value.shape.numpy())
    chain, bitwise = Chain(graph, str(weight.name), taken), graph.opset_imports.get("", 1) >= 18
    rewire(uses, _expanded(chain, blocks, levelled_of(weight), shape, storage.summed, bitwise=bitwise))
    del graph.initializers[str(weight.name)]
    return True


def _expanded(
    chain: Chain,
    blocks: Blocks,
    levelled: Levelled | None,
    shape: tuple[int, ...],
    summed: Sequence[int],
    *,
    bitwise: bool,
) -> ir.Value:
    """(L, G, size, T) of the codes, times (L, G, 1, T) of the scales, as the weight's (L, K, T)."""
    lead, tail = _size(shape[: min(summed)]), _size(shape[max(summed) + 1 :])
    columns = blocks.codes.shape[1]
    size, count = blocks.form.size or columns, blocks.form.blocks_of(columns)
    # A row shorter than a block has no use for the rest of it.
    size = min(size, columns)
    middle = 1 << blocks.form.bits - 1 if levelled is None else levelled.levels.nothing
    stored = blocks.codes if levelled is None else levelled.codes
    whole = np.pad(stored, ((0, 0), (0, count * size - columns)), constant_values=middle)
    codes = whole.reshape(lead, tail, count, size).transpose(0, 2, 3, 1)

    def of_blocks(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.reshape(lead, tail, count, 1).transpose(0, 2, 3, 1))

    zero = None if blocks.zero is None else of_blocks(blocks.zero)
    if levelled is not None:
        value = add_levels(chain, codes, levelled.levels.grid.astype(np.float32))
    else:
        value = _codes(chain, codes, zero, blocks.form.bits, bitwise=bitwise)
    value = chain.add("Mul", [value, chain.constant("scale", of_blocks(blocks.scale))], "blocks", codes.shape, _FLOAT)
    if count * size == columns:
        return value if codes.shape == shape else chain.reshape(value, "expanded", shape)
    value = chain.reshape(value, "rows", (lead, count * size, tail))
    bounds = [
        chain.constant(name, np.asarray([at], np.int64)) for name, at in (("from", 0), ("to", columns), ("axis", 1))
    ]
    value = chain.add("Slice", [value, *bounds], "cut", (lead, columns, tail), _FLOAT)
    return value if (lead, columns, tail) == shape else chain.reshape(value, "expanded", shape)


def _codes(chain: Chain, codes: np.ndarray, zero: np.ndarray | None, bits: int, *, bitwise: bool) -> ir.Value:
    """What codes are away from zero, float; planes need an operator set that has BitwiseOr."""
    middle = 1 << bits - 1
    lowered = None
    if bits == 3 and codes.size % 8 == 0 and bitwise:
        joined = add_planes(chain, codes, byte_table())
        value = chain.cast(chain.reshape(joined, "each", codes.shape), "codes", _FLOAT)
        lowered = chain.constant("middle", np.float32(middle)) if zero is None else None
    elif bits == 2 and codes.size % 4 == 0:
        value = _apart(chain, codes)
        lowered = chain.constant("middle", np.float32(middle)) if zero is None else None
    elif zero is None:
        signed = np.int8 if bits == 8 else ml_dtypes.int4
        stored = chain.constant("quantized", (codes.astype(np.int16) - middle).astype(signed))
        value = chain.cast(stored, "codes", _FLOAT)
    else:
        value = chain.cast(chain.constant("quantized", _narrow(codes, bits)), "codes", _FLOAT)
    if zero is not None:
        lowered = chain.cast(chain.constant("zero_point", _narrow(zero, bits)), "zeros", _FLOAT)
    return value if lowered is None else chain.add("Sub", [value, lowered], "distances", codes.shape, _FLOAT)


def _narrow(codes: np.ndarray, bits: int) -> np.ndarray:
    return codes.astype(np.uint8 if bits == 8 else ml_dtypes.uint4)


def _apart(chain: Chain, codes: np.ndarray) -> ir.Value:
    """Codes of 2 bits, four in a byte, one by one as floats."""
    packed = chain.constant("quantized", kernel_bytes(codes.reshape(-1), 2, 0)[:, None])
    shifts = chain.constant("shifts", np.asarray([[0, 2, 4, 6]], np.uint8))
    parts, byte = (codes.size // 4, 4), ir.DataType.UINT8
    value = chain.add("BitShift", [packed, shifts], "shifted", parts, byte, direction="RIGHT")
    value = chain.add("Mod", [value, chain.constant("four", np.asarray(4, np.uint8))], "parts", parts, byte)
    return chain.cast(chain.reshape(value, "each", codes.shape), "codes", _FLOAT)


def _size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
