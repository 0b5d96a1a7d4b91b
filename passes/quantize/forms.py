"""Forms of operators for which ONNX Runtime's CPU provider has no integer kernel, or none that is right.

Source: `qdq_selectors.cc` and the fusions that run before it, confirmed by running each form on 1.31.1.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, is_op, sole_consumer

__all__ = ["why_float"]

_FILTERS = 8
_MOVERS = ("MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "Expand")


def why_float(node: ir.Node) -> str | None:
    """Why this form of an operator stays float, or None."""
    return _not_float(node) or _unsupported(node)


def _not_float(node: ir.Node) -> str | None:
    """Only float32 values are quantized: fp16 and double models keep their type."""
    value = node.inputs[0] if node.inputs else None
    if value is not None and value.dtype is not None and value.dtype != ir.DataType.FLOAT:
        return f"computes in {value.dtype.name}, not FLOAT"
    return None


def _unsupported(node: ir.Node) -> str | None:
    """Forms of an operator for which ONNX Runtime has no integer kernel (1.31.1, `qdq_selectors.cc`)."""
    if node.op_type == "Gemm":
        if node.attributes.get_float("alpha", 1.0) != 1.0:
            return "alpha is not 1"
        if len(node.inputs) > 2 and node.attributes.get_float("beta", 1.0) != 1.0:
            return "beta is not 1"
        if node.attributes.get_int("transA", 0):
            return "transA is set"
        if is_op(sole_consumer(node.outputs[0]), "Transpose"):
            return "is read by a Transpose, which ONNX Runtime takes into a float Gemm (GemmTransposeFusion)"
    if node.op_type == "MatMul" and is_op(sole_consumer(node.outputs[0]), "Add") and _rank_unknown(node.inputs[0]):
        return "has an input of unknown rank, and may be taken into a float Gemm with the Add behind it"
    if node.op_type == "Resize" and node.attributes.get_string("mode", "nearest") != "nearest":
        return "only nearest Resize has an integer kernel"
    if node.op_type == "Resize" and _coordinates(node) == "tf_crop_and_resize":
        return "writes an extrapolation value beyond what it reads"
    if node.op_type == "Pad" and not _pads_with_zero(node):
        return "pads with something other than the constant 0"
    if node.op_type == "Pad" and len(node.inputs) > 3 and node.inputs[3] is not None:
        return "pads axes that are computed at run time"
    if node.op_type == "Conv" and (few := _filters_of_a_thin_group(node)) is not None:
        return f"has {few} filter{'s' if few > 1 else ''} a group, which its integer kernel takes group by group"
    if _is_dilated_pool(node):
        return "dilated AveragePool has no integer kernel"
    if any(_comes_from_dilated_pool(value) for value in node.inputs):
        return "reads a dilated AveragePool, which ONNX Runtime would replace by an invalid integer one"
    return None


def _filters_of_a_thin_group(node: ir.Node) -> int | None:
    """Filters of each group, where groups are too thin for the integer kernel; None for depthwise and all others.

    QLinearConv multiplies matrices group by group, 16 columns at once. ONNX Runtime 1.31.1, Zen 4, one thread, against
    float: 3x3, 16 groups of 1 to 2 at 64 x 64 1,844 us and 116; 32 groups of 4 at 28 x 28 720 us and 230, of 8 at
    14 x 14 203 us and 181; 1x1, 4 groups of 4 to 1 at 128 x 128 283 us and 21 (2026-11-21).
    """
    groups, weight = node.attributes.get_int("group", 1), node.inputs[1]
    if groups == 1 or weight is None or weight.shape is None or not isinstance(filters := weight.shape[0], int):
        return None
    of_group = filters // groups
    is_depthwise = of_group == 1 and weight.shape[1] == 1
    return of_group if of_group < _FILTERS and not is_depthwise else None


def _coordinates(node: ir.Node) -> str:
    return node.attributes.get_string("coordinate_transformation_mode", "half_pixel")


def _rank_unknown(value: ir.Value | None) -> bool:
    return value is not None and value.shape is None


def _comes_from_dilated_pool(value: ir.Value | None) -> bool:
    """Also through movers: ONNX Runtime carries a Q back over them (QDQPropagationTransformer)."""
    producer = None if value is None else value.producer()
    while producer is not None and is_op(producer, *_MOVERS):
        value = producer.inputs[0]
        producer = None if value is None else value.producer()
    return _is_dilated_pool(producer)


def _is_dilated_pool(node: ir.Node | None) -> bool:
    dilations = node.attributes.get_ints("dilations", ()) if node is not None and is_op(node, "AveragePool") else ()
    return any(size != 1 for size in dilations)


def _pads_with_zero(node: ir.Node) -> bool:
    """Only then is padding the same on integers: 0 is the zero point."""
    value = node.inputs[2] if len(node.inputs) > 2 else None
    fill = 0.0 if value is None else constant_array(value)
    return node.attributes.get_string("mode", "constant") == "constant" and fill is not None and not np.any(fill)
