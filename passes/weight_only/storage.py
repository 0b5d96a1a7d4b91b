"""What was decided of weights that are stored in blocks, kept on them: how, and the blocks once they are made.

`DecideStorage` writes how, a rounding pass the blocks, and whatever writes them into the graph reads both. A weight
that several nodes read is one note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .blocks import BlockForm, Blocks

__all__ = [
    "Storage",
    "as_matrix",
    "blocks_of",
    "forget_storage",
    "is_kept",
    "keep",
    "fix_storage",
    "from_matrix",
    "is_fixed",
    "is_half",
    "set_blocks",
    "set_half",
    "set_storage",
    "storage_of",
    "stored_values",
]

_STORAGE = "edgec.storage"
_BLOCKS = "edgec.blocks"
_FIXED = "edgec.storage_fixed"
_HALF = "edgec.half"
_KEPT = "edgec.kept"


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """How one weight is asked to be stored.

    Attributes:
        form: Bits, size of a block, zero points.
        summed: Axes of the weight whose elements end in the same output, next to each other: K of the matrix.
    """

    form: BlockForm
    summed: tuple[int, ...]


def set_storage(weight: ir.Value, storage: Storage) -> None:
    """Decide how a weight is stored."""
    weight.meta[_STORAGE] = storage


def storage_of(weight: ir.Value) -> Storage | None:
    """How a weight is stored; None leaves it as it is."""
    return weight.meta.get(_STORAGE)


def fix_storage(weight: ir.Value) -> None:
    """Let nothing change the bits that were decided for a weight: the user asked for them."""
    weight.meta[_FIXED] = True


def is_fixed(weight: ir.Value) -> bool:
    """Whether the bits of a weight are as the user asked."""
    return _FIXED in weight.meta


def set_half(weight: ir.Value) -> None:
    """Decide that a weight is stored in float16."""
    weight.meta[_HALF] = True


def is_half(weight: ir.Value) -> bool:
    """Whether a weight is stored in float16."""
    return _HALF in weight.meta


def set_blocks(weight: ir.Value, blocks: Blocks) -> None:
    """Remember a weight as it will be stored: (N, K), as `as_matrix` reads it."""
    weight.meta[_BLOCKS] = blocks


def blocks_of(weight: ir.Value) -> Blocks | None:
    """A weight as it will be stored; None before it was rounded."""
    return weight.meta.get(_BLOCKS)


def forget_storage(weight: ir.Value) -> None:
    """Leave a weight as it is after all."""
    weight.meta.pop(_STORAGE, None)
    weight.meta.pop(_BLOCKS, None)


def keep(value: ir.Value) -> None:
    """Never store a constant in fewer bits: it is no weight of the model's."""
    value.meta[_KEPT] = True


def is_kept(value: ir.Value) -> bool:
    """Whether a constant is no weight of the model's."""
    return _KEPT in value.meta


def stored_values(model: ir.Model) -> Iterator[tuple[ir.Value, Storage]]:
    """Weights with a decision, of the main graph and of bodies, in the order of the initializers."""
    for graph in (model.graph, *model.graph.subgraphs()):
        for value in tuple(graph.initializers.values()):
            if (storage := storage_of(value)) is not None:
                yield value, storage


def as_matrix(weight: np.ndarray, summed: Sequence[int]) -> np.ndarray:
    """A weight as (N, K): what is summed up along K, everything else along N, in the order of its axes.

    ===================== ================= ======= ================
    operator              weight            summed  matrix
    ===================== ================= ======= ================
    MatMul, Gemm          (K, N)            0       (N, K)
    Gemm, transB; Gather  (N, K)            1       (N, K)
    Conv                  (O, I, k...)      1, ...  (O, I * k...)
    LSTM                  (D, G, I)         2       (D * G, I)
    ===================== ================= ======= ================
    """
    first, last = min(summed), max(summed)
    parts = weight.reshape(_size(weight.shape[:first]), _size(weight.shape[first : last + 1]), -1)
    return parts.transpose(0, 2, 1).reshape(-1, parts.shape[1])


def from_matrix(matrix: np.ndarray, shape: Sequence[int], summed: Sequence[int]) -> np.ndarray:
    """The way back from `as_matrix`, contiguous."""
    lead, tail = _size(shape[: min(summed)]), _size(shape[max(summed) + 1 :])
    parts = matrix.reshape(lead, tail, -1).transpose(0, 2, 1)
    return np.ascontiguousarray(parts).reshape(tuple(shape))


def _size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
