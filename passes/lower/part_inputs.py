"""Q(x), f(x) -> Q(Clip(x, -65504, 65504)), f(x), where x is a graph input and f reads it in floats.

The QNN provider leaves the Q of a graph input to the CPU and gives the codes the input's own name; a node of its own
that reads the floats makes that two tensors of one name, and every run ends with QNN_GRAPH_ERROR_INVALID_TENSOR, code
6004 (onnxruntime-qnn 2.7.0, 2026-11-21; `offload_graph_io_quantization`, its default). Behind the Clip the Q runs on
the HTP, and its codes are as good as the CPU's (to float 41.8 dB with 8 bits, where both nodes read the codes 40.3).
Two Casts in its stead cost 5 dB: the HTP does not round to the nearest code behind them. An operator before f does not
help; several Q of one input, and a result that is read in integers and in floats, are right as they are.

Exact for what fp16 can hold, in which the HTP computes f. Scope: the main graph's Q; readers in bodies count.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import insert_after, is_op, value_names
from .half_clip import clipped_to_half, half_bounds

__all__ = ["PartInputs"]


@dataclass(frozen=True, kw_only=True)
class PartInputs(Pass):
    """Put a Clip that changes nothing between a graph input that is also read in floats and its Q."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        found = [(value, stored) for value in graph.inputs if (stored := _shared_with_floats(graph, value))]
        if not found:
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(graph) | {node.name for node in graph if node.name}
        bounds = half_bounds(graph, taken)
        for value, stored in found:
            clip = clipped_to_half(value, str(value.name), bounds, taken)
            insert_after(graph, value, (clip,))
            for node in stored:
                node.replace_input_with(0, clip.outputs[0])
        return ir.passes.PassResult(model, modified=True)


def _shared_with_floats(graph: ir.Graph, value: ir.Value) -> tuple[ir.Node, ...]:
    """The Qs of a graph input that something else reads too; none of any other."""
    uses = tuple(value.uses())
    stored = tuple(node for node, index in uses if index == 0 and node.graph is graph and is_op(node, "QuantizeLinear"))
    return stored if len(stored) < len(uses) and value.dtype == ir.DataType.FLOAT else ()
