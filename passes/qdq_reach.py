"""Which operators ONNX Runtime carries Q and DQ past, when a session opens.

Source: qdq_propagation.cc of microsoft/onnxruntime (commit a70ac2f of its repository), as the wheel of 1.31.1 does it.
"""

from __future__ import annotations

import onnx_ir as ir

from .edit import constant_array, is_op

__all__ = ["CARRIED", "reached_from_above", "reached_from_below"]

# Those carried past; of these Reshape and Transpose mind no integers.
CARRIED = ("MaxPool", "Slice", "Squeeze", "Unsqueeze")
_PASSED = (*CARRIED, "Reshape", "Transpose")


def reached_from_above(node: ir.Node) -> bool:
    """Whether a DequantizeLinear with one scale comes down to a node, past others of its kind."""
    value = node.inputs[0]
    while value is not None and (producer := value.producer()) is not None:
        if is_op(producer, "DequantizeLinear"):
            return _has_one_scale(producer)
        if not is_op(producer, *_PASSED):
            return False
        value = producer.inputs[0]
    return False


def reached_from_below(node: ir.Node) -> bool:
    """Whether a QuantizeLinear with one scale comes up to a node, past others of its kind; each is read once."""
    x = node.inputs[0]
    if x is None or (x.producer() is not None and not _is_read_once(x)):
        return False
    each = node
    while is_op(each, *_PASSED) and _is_read_once(each.outputs[0]):
        ((each, index),) = each.outputs[0].uses()
        if index != 0:
            return False
        if is_op(each, "QuantizeLinear"):
            return _has_one_scale(each)
    return False


def _is_read_once(value: ir.Value) -> bool:
    return len(tuple(value.uses())) == 1 and not value.is_graph_output()


def _has_one_scale(node: ir.Node) -> bool:
    scale = constant_array(node.inputs[1])
    return scale is not None and scale.size == 1
