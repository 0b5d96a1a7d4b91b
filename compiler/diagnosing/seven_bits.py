"""A bundle with 7-bit weights in some layers, made of the bundle alone: what a repair buys, before compiling anew.

Codes are halved and scales doubled, so a weight moves by at most one old step; compiling anew rounds once instead of
twice and is a little closer.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx_ir as ir

from ...passes.check.integer_products import integer_products
from ...passes.edit import add_initializer, constant_array, fresh_name, is_op, value_names

__all__ = ["seven_bits"]


def seven_bits(model: ir.Model, nodes: Collection[str]) -> ir.Model:
    """A copy in which the int8 weights of static products are within ±64, and their int32 biases at the new scale.

    Args:
        model: A Q/DQ model; it is not changed.
        nodes: Names of Conv, Gemm and MatMul nodes.
    """
    copy = model.clone()
    taken = value_names(copy.graph)
    for product in list(integer_products(copy.graph)):
        if product.node.name in nodes and not is_op(product.node, "MatMulInteger"):
            for index in (1, 2):
                _halve(copy.graph, product.node, index, taken)
    return copy


def _halve(graph: ir.Graph, node: ir.Node, index: int, taken: set[str]) -> None:
    """Give an operand of a node a DequantizeLinear of its own, codes halved and scale doubled; floats stay."""
    value = node.inputs[index] if index < len(node.inputs) else None
    old = None if value is None else value.producer()
    if value is None or old is None or not is_op(old, "DequantizeLinear"):
        return
    codes, scale = constant_array(old.inputs[0]), constant_array(old.inputs[1])
    if codes is None or scale is None:
        return
    halved = np.rint(codes / 2.0).astype(codes.dtype)
    names = [fresh_name(f"{value.name}_{what}", taken) for what in ("codes", "scale", "seven_bits")]
    new = ir.node(
        "DequantizeLinear",
        [
            add_initializer(graph, names[0], halved),
            add_initializer(graph, names[1], (2 * scale).astype(scale.dtype)),
            *old.inputs[2:],
        ],
        attributes=dict(old.attributes),
        name=names[2],
    )
    graph.insert_before(node, new)
    new.outputs[0].name = names[2]
    node.replace_input_with(index, new.outputs[0])
