"""y = Conv(x) -> Conv(Clip(x, -65504, 65504)), of a float convolution that the HTP may compute wrong.

The HTP's simulator (onnxruntime-qnn 2.7.0, QAIRT 2.51, soc 57, 2026-11-21) computes a float Conv wrong, 0 dB and
below, or does not open a session (QNN_COMMON_ERROR_MEM_ALLOC), where all of these hold; found over 60 forms:

1. strides are exactly (2, 2): (1, 2), (2, 1), (3, 3), (4, 4) are right;
2. its kernel is more than 8 high or wide: 9x1, 3x9, 10x4, 11x11 are wrong, 8x8 is right;
3. it reads at most 4 channels, is one group, and writes more than one channel;
4. it reads what enters the HTP's graph, in channels-last order: behind a Transpose or Reshape of the input, or of what
   an operator on the CPU wrote. Behind any operator on the HTP it is right, and in integers as well.

What enters that graph is known only when it is partitioned, so 1 to 3 and some producer suffice; on as few channels
the Clip costs next to nothing. The HTP computes floats in fp16, whose largest finite number is 65504: exact there, and
elsewhere for all that fp16 can hold.

Scope: the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, value_names
from ..quantize.decision import decision_of
from ..scope import made_from
from .half_clip import clipped_to_half, half_bounds

__all__ = ["ClipBeforeStrides"]

_CHANNELS, _KERNEL = 4, 8


@dataclass(frozen=True, kw_only=True)
class ClipBeforeStrides(Pass):
    """Put a Clip that changes nothing before a float convolution of that form."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        found = [node for node in graph if _is_wrong(node)]
        if not found:
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(graph) | {node.name for node in graph if node.name}
        bounds = half_bounds(graph, taken)
        for node in found:
            _clip(graph, node, bounds, taken)
        return ir.passes.PassResult(model, modified=True)


def _is_wrong(node: ir.Node) -> bool:
    """Whether a node is a float convolution of that form, and nothing was clipped for it yet."""
    if not is_op(node, "Conv") or decision_of(node) is not None or len(node.inputs) < 2:
        return False
    x, weight = node.inputs[0], node.inputs[1]
    if x is None or weight is None or weight.shape is None or x.dtype not in (None, ir.DataType.FLOAT):
        return False
    dims = tuple(weight.shape)
    if len(dims) != 4 or not all(isinstance(dim, int) for dim in dims):
        return False
    filters, channels, *kernel = (int(dim) for dim in dims)  # type: ignore[arg-type]
    producer = x.producer()
    return (
        tuple(node.attributes.get_ints("strides", ())) == (2, 2)
        and max(kernel) > _KERNEL
        and channels <= _CHANNELS
        and filters > 1
        and node.attributes.get_int("group", 1) == 1
        and producer is not None
        and not is_op(producer, "Clip")
    )


def _clip(graph: ir.Graph, node: ir.Node, bounds: tuple[ir.Value, ir.Value], taken: set[str]) -> None:
    x = node.inputs[0]
    assert x is not None
    clip = clipped_to_half(x, str(node.name or x.name), bounds, taken)
    made_from(clip, node)
    graph.insert_before(node, clip)
    node.replace_input_with(0, clip.outputs[0])
