"""What a unit reads and writes with the params of its integers, as ONNX Runtime's `NodeUnit` lists it.

Source: onnxruntime/core/framework/node_unit.cc (microsoft/onnxruntime 03fde6c), InitForSingleNode, GetQDQIODefs.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from .units import Operand, Unit

__all__ = ["operands"]

_UNARY = ("QLinearSigmoid", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearReduceMean")
_BINARY = ("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul")


def operands(unit: Unit) -> tuple[tuple[Operand | None, ...], tuple[Operand, ...]]:
    """Inputs and outputs; those of an operator on integers carry their scale and zero point."""
    node = unit.node
    if unit.grouped:
        return unit.inputs, unit.outputs
    result = node.outputs[0]
    match node.op_type:
        case "QuantizeLinear":
            return (_plain(node.inputs[0]),), (_with(result, node, 1),)
        case "DequantizeLinear":
            return (_with(node.inputs[0], node, 1),), (Operand(value=result),)
        case op if op in _UNARY:
            return (_with(node.inputs[0], node, 1),), (_with(result, node, 3),)
        case op if op in _BINARY:
            bias = (_plain(node.inputs[8]),) if len(node.inputs) > 8 else ()
            read = (_with(node.inputs[0], node, 1), _with(node.inputs[3], node, 4), *bias)
            return read, (_with(result, node, 6),)
    return unit.inputs, unit.outputs


def _plain(value: ir.Value | None) -> Operand | None:
    return None if value is None else Operand(value=value)


def _with(value: ir.Value | None, node: ir.Node, params: int) -> Operand:
    """An operand with the scale that is the node's input of this number, and the zero point behind it."""
    assert value is not None, f"{node.op_type} has all its operands"
    scale, zero_point = _at(node.inputs, params), _at(node.inputs, params + 1)
    axis = node.attributes.get_int("axis", 1)
    return Operand(value=value, scale=scale, zero_point=zero_point, axis=axis, quantized=True)


def _at(inputs: Sequence[ir.Value | None], index: int) -> ir.Value | None:
    return inputs[index] if index < len(inputs) else None
