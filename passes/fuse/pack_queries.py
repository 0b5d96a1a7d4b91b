"""Three MatMulNBits of one x that an attention reads -> one: queries, keys and values side by side.

    GroupQueryAttention(x Qᵀ, x Kᵀ, x Vᵀ, …) -> GroupQueryAttention(x [Q; K; V]ᵀ, , , …)

The attention takes its three operands apart itself (ONNX Runtime 1.31.1, GroupQueryAttention, packed QKV). Exact: see
`side_by_side.py`. Its factor goes into the scales of Q, where it is a power of two, which is exact too: turning queries
is linear, and a product with no factor has a kernel of its own for one row (MLAS, `MlasGemmFloatKernel` of M = 1; 1000
tokens of 12 heads: 76 µs for 131).

What was `…q_proj…` is called `…qkv_proj…` then. `part_queries` is the way back, for whoever wants the three by name.

Scope: the main graph, products whose codes, scales and zero points are constants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_lazy_initializer, fresh_name, sole_consumer, value_names
from .side_by_side import alike, in_place_of, is_product, join, part

__all__ = ["PackQueries", "part_queries"]

_MICROSOFT = "com.microsoft"
# Inputs of MatMulNBits that the result is proportional to: scales, bias.
_LINEAR = (2, 5)


@dataclass(frozen=True, kw_only=True)
class PackQueries(Pass):
    """Multiply with the matrices of queries, keys and values at once."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [node for node in tuple(model.graph) if _is_attention(node) and _try_pack(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def part_queries(model: ir.Model) -> bool:
    """Make three products again of each that holds queries, keys and values; whether there was one."""
    taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
    found = [
        (node, product) for node in tuple(model.graph) if _is_attention(node) and (product := _packed(node)) is not None
    ]
    for attention, product in found:
        _part(model.graph, attention, product, taken)
    return bool(found)


def _is_attention(node: ir.Node) -> bool:
    return node.op_type == "GroupQueryAttention" and node.domain == _MICROSOFT


def _try_pack(graph: ir.Graph, attention: ir.Node, taken: set[str]) -> bool:
    products = _products(attention)
    if products is None:
        return False
    _set_factor(graph, attention, products[0], 1.0, taken)
    made = join(graph, products, in_place_of("q", "qkv"), taken)
    attention.replace_input_with(0, made.outputs[0])
    attention.replace_input_with(1, None)
    attention.replace_input_with(2, None)
    for node in products:
        graph.remove(node, safe=True)
    return True


def _products(attention: ir.Node) -> list[ir.Node] | None:
    """The products that make queries, keys and values, where they can be one."""
    found = []
    for value in attention.inputs[:3]:
        node = None if value is None else value.producer()
        if value is None or node is None or not is_product(node) or node.graph is not attention.graph:
            return None
        if sole_consumer(value) is not attention:
            return None
        found.append(node)
    return found if alike(found) else None


def _packed(attention: ir.Node) -> ir.Node | None:
    query = attention.inputs[0]
    product = None if query is None or attention.inputs[1] is not None else query.producer()
    return product if product is not None and is_product(product) else None


def _part(graph: ir.Graph, attention: ir.Node, product: ir.Node, taken: set[str]) -> None:
    heads, shared = (attention.attributes.get_int(name, 1) for name in ("num_heads", "kv_num_heads"))
    size = product.attributes.get_int("N", 0) // (heads + 2 * shared)
    start = 0
    for operand, (letter, count) in enumerate((("q", heads), ("k", shared), ("v", shared))):
        rows = slice(start, start + count * size)
        made = part(graph, product, rows, in_place_of("qkv", letter), taken)
        attention.replace_input_with(operand, made.outputs[0])
        start = rows.stop
        if letter == "q":
            _set_factor(graph, attention, made, size**-0.5, taken)
    graph.remove(product, safe=True)


def _set_factor(graph: ir.Graph, attention: ir.Node, query: ir.Node, factor: float, taken: set[str]) -> None:
    """Let an attention multiply by this factor, and the product of its queries by what is left, where that is exact."""
    size = query.attributes.get_int("N", 0) / attention.attributes.get_int("num_heads", 1)
    left = (attention.attributes.get_float("scale", 0.0) or size**-0.5) / factor
    if math.frexp(left)[0] != 0.5 or left == 1:  # no power of two; nothing to do
        return
    attention.attributes["scale"] = ir.AttrFloat32("scale", factor)
    for index in _LINEAR:
        rows = query.inputs[index] if index < len(query.inputs) else None
        if rows is not None:
            query.replace_input_with(index, _multiplied(graph, rows, left, taken))


def _multiplied(graph: ir.Graph, value: ir.Value, factor: float, taken: set[str]) -> ir.Value:
    """A constant times a factor, under its name where nobody else reads it."""
    tensor, name = value.const_value, str(value.name)
    assert tensor is not None
    assert value.shape is not None

    def make() -> np.ndarray:
        array = tensor.numpy()
        return np.asarray(array * np.asarray(factor, array.dtype))

    if len(tuple(value.uses())) == 1:
        del graph.initializers[name]
        value.name = f"{name}_before"
    else:
        name = fresh_name(name, taken)
    return add_lazy_initializer(graph, name, make, tensor.dtype, value.shape)
