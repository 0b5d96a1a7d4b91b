"""Bytes that partitions copy in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, prod

import onnx_ir as ir

from ..passes.edit import is_constant
from .partition import Block
from .units import dims_of

__all__ = ["crossing_bytes"]


def crossing_bytes(graph: ir.Graph, blocks: Sequence[Block], partitions: Mapping[Block, int]) -> int | None:
    """Bytes of tensors that are written on one side of a partition's boundary and read on the other.

    What a partition reads counts once for it, what it writes once for all that read it outside of partitions. The
    graph's inputs and outputs are outside; constants stay where they are.

    Returns:
        None where a tensor that crosses has no known size.
    """
    side = {value: partitions.get(block) for block in blocks for unit in block for value in unit.writes}
    crossings = {
        (value, partitions.get(block))
        for block in blocks
        for unit in block
        for value in unit.reads
        if not is_constant(value) and side.get(value) != partitions.get(block)
    }
    crossings |= {(value, None) for value in graph.outputs if side.get(value) is not None}
    sizes = [_bytes(value) for value, _ in crossings]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _bytes(value: ir.Value) -> int | None:
    dims = dims_of(value)
    if value.dtype is None or dims is None:
        return None
    return ceil(prod(dims) * value.dtype.bitwidth / 8)
