"""Which nodes ONNX Runtime leaves on the CPU though a GPU has kernels for them: those that compute shapes.

Source: GetCpuPreferredNodes, onnxruntime/core/framework/fallback_cpu_capability.cc (microsoft/onnxruntime 039e489):
behind what a GPU kernel writes to the CPU's memory, a node stays on the CPU where all it reads is there, or a small
constant, or an input of the model; not where its GPU kernel wants that operand on the CPU anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import prod

import onnx_ir as ir

from ...passes.edit import is_constant, is_op

__all__ = ["cpu_preferred"]

_SMALL = 100  # kSmallInitializerThreshold, elements
# What CUDA kernels write to the CPU's memory, and what they read there (OrtMemTypeCPUOutput, OrtMemTypeCPUInput).
_WRITES = frozenset(("Shape", "Size", "SequenceLength"))
_READS: dict[str, frozenset[int]] = {
    **dict.fromkeys(("Clip", "Dropout"), frozenset((1, 2))),
    **dict.fromkeys(("Pad", "Resize"), frozenset((1, 2, 3))),
    **dict.fromkeys(("Slice",), frozenset((1, 2, 3, 4))),
    **dict.fromkeys(("ConstantOfShape", "If", "Loop"), frozenset((0, 1))),
    **dict.fromkeys(("Range",), frozenset((0, 1, 2))),
    **dict.fromkeys(("NonMaxSuppression",), frozenset((2, 3, 4))),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), frozenset((4,))),
    **dict.fromkeys(
        (
            *("CumSum", "Expand", "OneHot", "Reshape", "SequenceAt", "Split", "Squeeze", "Tile", "TopK", "Trilu"),
            *("Unsqueeze", "Upsample"),
            *(f"Reduce{each}" for each in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod")),
            *("ReduceSum", "ReduceSumSquare"),
        ),
        frozenset((1,)),
    ),
}
_NEVER = frozenset(
    (
        ir.DataType.FLOAT16,
        ir.DataType.BFLOAT16,
        ir.DataType.FLOAT8E4M3FN,
        ir.DataType.FLOAT8E4M3FNUZ,
        ir.DataType.FLOAT8E5M2,
        ir.DataType.FLOAT8E5M2FNUZ,
        ir.DataType.FLOAT4E2M1,
    )
)


def cpu_preferred(graph: ir.Graph, takes: Callable[[ir.Node], bool]) -> frozenset[ir.Node]:
    """Nodes that the GPU's provider could take and that are left on the CPU.

    Args:
        graph: In topological order.
        takes: Whether the provider has a kernel for a node.
    """
    there: set[ir.Value] = set()  # in the CPU's memory because of a kernel that writes there
    left = set()
    for node in graph:
        if not takes(node):
            if not there.isdisjoint(value for value in node.inputs if value is not None):
                there.update(node.outputs)
        elif _stays(node, there):
            there.update(node.outputs)
            left.add(node)
        elif is_op(node, *_WRITES):
            there.add(node.outputs[0])
    return frozenset(left)


def _stays(node: ir.Node, there: Collection[ir.Value]) -> bool:
    """Whether all a node reads is on the CPU, something of it behind a kernel that writes there."""
    behind = False
    for index, value in enumerate(node.inputs):
        if value is None:
            continue
        if value.dtype in _NEVER:
            return False
        if _is_small(value) or value.is_graph_input():
            continue
        if value not in there or index in _READS.get(node.op_type, ()):
            return False
        behind = True
    return behind


def _is_small(value: ir.Value) -> bool:
    if not is_constant(value) or value.shape is None:
        return False
    return prod(dim if isinstance(dim, int) else _SMALL + 1 for dim in value.shape) <= _SMALL
