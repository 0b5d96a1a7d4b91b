"""Add(DQ(Q(y)), DQ(r)) -> Add(y, DQ(r)), where y is the result of a product in integers that nobody else reads.

TensorRT computes a convolution and the sum behind it in one kernel, which reads the other operand, the residual, in
integers and rounds the sum once; a Q/DQ between the two forces them apart (NVIDIA, TensorRT 10 documentation, "Explicit
Quantization", recommendations for placing Q/DQ, read 2026-11-21). Closer to float: y is not rounded.

Of two operands that are both such results, the one that is computed last is summed as it is. Scope: the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, sole_consumer

__all__ = ["SumUnrounded"]

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, kw_only=True)
class SumUnrounded(Pass):
    """Remove the Q/DQ between a product in integers and the sum with a residual in integers."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        order = {node: place for place, node in enumerate(model.graph)}
        done = [node for node in tuple(model.graph) if is_op(node, "Add") and self._try_free(model.graph, node, order)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_free(self, graph: ir.Graph, add: ir.Node, order: dict[ir.Node, int]) -> bool:
        if not all(value is not None and is_op(value.producer(), "DequantizeLinear") for value in add.inputs):
            return False
        found = [(index, written) for index in (0, 1) if (written := _product(add, index)) is not None]
        if not found:
            return False
        index, written = max(found, key=lambda each: order[_producer(each[1])])
        dequantize = _producer(add.inputs[index])
        quantize = _producer(dequantize.inputs[0])
        add.replace_input_with(index, written)
        graph.remove([dequantize, quantize], safe=True)
        return True


def _product(add: ir.Node, index: int) -> ir.Value | None:
    """The result behind an operand's Q/DQ, where it is a product in integers that only this sum reads."""
    dequantize = _producer(add.inputs[index])
    quantize = dequantize.inputs[0].producer() if dequantize.inputs[0] is not None else None
    if quantize is None or not is_op(quantize, "QuantizeLinear"):
        return None
    alone = sole_consumer(dequantize.outputs[0]) is add and sole_consumer(quantize.outputs[0]) is dequantize
    written = quantize.inputs[0]
    if not alone or written is None or sole_consumer(written) is not quantize or add.inputs[0] is add.inputs[1]:
        return None
    node = written.producer()
    if node is None or not is_op(node, *_PRODUCTS):
        return None
    read = [value.producer() if value is not None else None for value in node.inputs[:2]]
    return written if all(is_op(each, "DequantizeLinear") for each in read) else None


def _producer(value: ir.Value | None) -> ir.Node:
    assert value is not None
    node = value.producer()
    assert node is not None
    return node
