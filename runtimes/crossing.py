"""What passes between execution providers: partitions, and bytes that cross.

A crossing is no copy by itself (two CPU providers share memory), but it is where layouts change, fusions end, and,
on another device, where transfers happen. There ONNX Runtime inserts nodes that copy, and executes them: they are the
crossings.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .base import Kernel

__all__ = ["crossing_bytes", "partitions"]

_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2,
    "float": 4, "int32": 4, "uint32": 4, "double": 8, "int64": 8, "uint64": 8,
}  # fmt: skip


# What ONNX Runtime inserts where a tensor moves between a device's memory and the processor's.
_COPIES = frozenset(("MemcpyFromHost", "MemcpyToHost"))


def partitions(kernels: Sequence[Kernel]) -> int:
    """Runs of kernels on one provider, in the order of execution."""
    providers = [kernel.provider for kernel in kernels]
    return sum(1 for index, each in enumerate(providers) if index == 0 or each != providers[index - 1])


def crossing_bytes(kernels: Sequence[Kernel], placed: Any) -> int | None:
    """Bytes of tensors that one provider writes and another reads in one run, once for each reading provider.

    Args:
        kernels: What was executed.
        placed: The `GraphProto` that was executed; None where one provider ran everything.

    Returns:
        None where a kernel cannot be found in the graph, runs in a subgraph's loop more than once, or hands over what
        has no size.
    """
    copied = [operand for kernel in kernels if kernel.op_type in _COPIES for operand in kernel.inputs]
    if copied:
        return sum(_BYTES[dtype] * prod(shape) for dtype, shape in copied) if _sized(copied) else None
    if placed is None or len({kernel.provider for kernel in kernels}) == 1:
        return 0
    by_name = {kernel.name: kernel for kernel in kernels}
    nodes = {node.name: node for node in placed.node}
    if len(by_name) < len(kernels) or not set(by_name) <= set(nodes):
        return None
    writer = {name: (kernel, index) for kernel in kernels for index, name in enumerate(nodes[kernel.name].output)}
    crossing: dict[tuple[str, str], int] = {}
    for kernel in kernels:
        for name in nodes[kernel.name].input:
            source, index = writer.get(name, (kernel, 0))
            if source.provider == kernel.provider:
                continue
            if index >= len(source.outputs) or source.outputs[index][0] not in _BYTES:
                return None
            dtype, shape = source.outputs[index]
            crossing[name, kernel.provider] = _BYTES[dtype] * prod(shape)
    return sum(crossing.values())


def _sized(operands: Sequence[tuple[str, tuple[int, ...]]]) -> bool:
    return all(dtype in _BYTES for dtype, _ in operands)
