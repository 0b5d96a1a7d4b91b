"""Cast(Transpose(bytes)) -> Transpose(DequantizeLinear(bytes, 1, 0)): the first thing that happens to bytes is a DQ.

The HTP takes bytes for truth values where they are cast to floats: every one becomes 1; and QNN has no Transpose or
Gather of bytes without scale (`onnxruntime-qnn` 2.7.0, QAIRT 2.51, soc 57, 2026-11-21). So a DequantizeLinear stands
right behind the input, and what moves elements stands between it and a pair of the same scale, which is a node of
codes there.

1. Cast(x) to float, x uint8 -> DequantizeLinear(x, 1, 0).
2. DequantizeLinear(M(x), s, z), M Transpose or Gather of a graph input that nobody else reads ->
   DequantizeLinear(QuantizeLinear(M(DequantizeLinear(x, s, z)), s, z), s, z), M after M.

Exact: bytes below 256 are whole floats, and a pair of one scale gives its codes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_scalar, fresh_name, insert_after, is_op, rewire, sole_consumer, value_names

__all__ = ["DequantizeBytes"]


@dataclass(frozen=True, kw_only=True)
class DequantizeBytes(Pass):
    """Write a DequantizeLinear right behind bytes that are cast, or moved and then dequantized."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        cast = [node for node in graph if _is_cast_of_bytes(node)]
        for node in cast:
            _dequantize(graph, node, taken)
        moved = [node for node in graph if is_op(node, "DequantizeLinear") and _try_move(graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(cast or moved))


def _is_cast_of_bytes(node: ir.Node) -> bool:
    if not is_op(node, "Cast") or node.inputs[0] is None or node.inputs[0].dtype != ir.DataType.UINT8:
        return False
    return node.attributes.get_int("to", 0) == ir.DataType.FLOAT


def _dequantize(graph: ir.Graph, cast: ir.Node, taken: set[str]) -> None:
    scale = add_initializer(graph, fresh_name(f"{cast.name}_scale", taken), np.asarray(1.0, np.float32))
    zero = add_initializer(graph, fresh_name(f"{cast.name}_zero_point", taken), np.asarray(0, np.uint8))
    dq = ir.node("DequantizeLinear", [cast.inputs[0], scale, zero], name=cast.name)
    old, new = cast.outputs[0], dq.outputs[0]
    new.name, new.type, new.shape = old.name, old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, cast, [cast], [dq], [old], [new])


def _try_move(graph: ir.Graph, dq: ir.Node, taken: set[str]) -> bool:
    """Move a DequantizeLinear in front of all that moves its bytes, up to the input they come in by."""
    value = dq.inputs[0]
    movers: list[ir.Node] = []
    while value is not None and (node := value.producer()) is not None and is_op(node, "Transpose", "Gather"):
        if sole_consumer(value) is None:
            return False
        movers.insert(0, node)
        value = node.inputs[0]
    if not movers or value is None or not value.is_graph_input() or value.dtype != ir.DataType.UINT8:
        return False
    if constant_scalar(dq.inputs[1]) is None:
        return False
    params, current = dq.inputs[1:], value
    for node in movers:
        first = _write(graph, current, "DequantizeLinear", params, taken, ir.DataType.FLOAT)
        node.replace_input_with(0, first)
        result = node.outputs[0]
        uses = tuple(result.uses())
        result.type = ir.TensorType(ir.DataType.FLOAT)
        current = _write(graph, result, "QuantizeLinear", params, taken, ir.DataType.UINT8)
        rewire(uses, current)
    return True


def _write(
    graph: ir.Graph, value: ir.Value, op: str, params: Sequence[ir.Value | None], taken: set[str], dtype: ir.DataType
) -> ir.Value:
    node = ir.node(op, [value, *params], name=fresh_name(f"{value.name}_{op}", taken))
    result = node.outputs[0]
    result.name = fresh_name(f"{node.name}_Output", taken)
    result.type, result.shape = ir.TensorType(dtype), value.shape
    insert_after(graph, value, (node,))
    return result
