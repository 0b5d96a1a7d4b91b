"""Q(f(DQ(q))) -> Q(f(Cast(Cast(DQ(q), fp16), fp32))), where f has no rule: a float node between integer ones.

Nothing in a graph tells "in floats, between two that are in integers" from "in integers": the QNN provider makes an
integer node of whatever stands between a DQ and a Q, and of some operators a wrong one (CumSum of 8 bits, Log of 16:
less than nothing of the signal is left), of others none at all, and no session opens (GroupNormalization). The pair of
Casts keeps f apart; the HTP computes it in fp16 anyway (onnxruntime-qnn 2.7.0, 2026-11-21). Exact up to fp16.

ONNX Runtime itself does so, before any provider: of a Conv, ConvTranspose or Gemm that reads a DQ, a Q behind it or
behind its clamp, it stores float weights as s8, one scale for all (`WeightBiasQuantization`, 1.31.1). These are kept
apart too.

Scope: the main graph; nodes that only move elements are right either way.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, is_constant, is_op, value_names
from ..quantize.decision import decided_nodes

__all__ = ["HalveBetween"]

_MOVERS = frozenset(
    (
        "Cast",
        "Concat",
        "DepthToSpace",
        "DequantizeLinear",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "MaxPool",
        "Pad",
        "QuantizeLinear",
        "Reshape",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Tile",
        "TopK",
        "Transpose",
        "Unsqueeze",
        "Where",
    )
)


@dataclass(frozen=True, kw_only=True)
class HalveBetween(Pass):
    """Put two Casts before a float node that would be taken for one of integers."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        integer = {node for node, _ in decided_nodes(graph)}
        integer |= {decision.clamp for _, decision in decided_nodes(graph) if decision.clamp is not None}
        integer |= {decision.ceiling for _, decision in decided_nodes(graph) if decision.ceiling is not None}
        between = [node for node in graph if node not in integer and (_stands_between(node) or _has_weights(node))]
        for node in between:
            _part(graph, node, taken)
        return ir.passes.PassResult(model, modified=bool(between))


def _stands_between(node: ir.Node) -> bool:
    """Whether all it reads in floats was dequantized, and a Q reads what it writes."""
    if node.op_type in _MOVERS:
        return False
    read = [value for value in node.inputs if value is not None and not is_constant(value)]
    behind = [reader for value in node.outputs for reader, _ in value.uses()]
    return (
        bool(read)
        and all(is_op(value.producer(), "DequantizeLinear") for value in read)
        and any(is_op(reader, "QuantizeLinear") for reader in behind)
    )


def _has_weights(node: ir.Node) -> bool:
    """Whether its float weights would be quantized because it reads a DQ."""
    if not is_op(node, "Conv", "ConvTranspose", "Gemm") or len(node.inputs) < 2:
        return False
    x, weight = node.inputs[0], node.inputs[1]
    if x is None or is_constant(x) or not is_op(x.producer(), "DequantizeLinear"):
        return False
    return weight is not None and is_constant(weight) and not is_op(weight.producer(), "DequantizeLinear")


def _part(graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
    value = next(value for value in node.inputs if value is not None and not is_constant(value))
    made: list[ir.Node] = []
    for suffix, dtype in (("half", ir.DataType.FLOAT16), ("whole", ir.DataType.FLOAT)):
        name = fresh_name(f"{node.name}_{suffix}", taken)
        cast = ir.node("Cast", [made[-1].outputs[0] if made else value], {"to": dtype.value}, name=name)
        cast.outputs[0].name = fresh_name(f"{name}_Output", taken)
        cast.outputs[0].type, cast.outputs[0].shape = ir.TensorType(dtype), value.shape
        made.append(cast)
    graph.insert_before(node, made)
    for index, each in enumerate(node.inputs):
        if each is value:
            node.replace_input_with(index, made[-1].outputs[0])
