"""Three MatMulNBits of one x that an attention reads -> one: queries, keys and values side by side.

    GroupQueryAttention(x Qᵀ, x Kᵀ, x Vᵀ, …) -> GroupQueryAttention(x [Q; K; V]ᵀ, , , …)

The attention takes its three operands apart itself (ONNX Runtime 1.31.1, GroupQueryAttention, packed QKV). Exact: every
output is the same dot product of the same codes. One kernel is started for three, and x is rounded once.

What was `…q_proj…` is called `…qkv_proj…` then. `take_apart` is the way back, for whoever wants the three by name.

Scope: the main graph, products whose codes, scales and zero points are constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import (
    add_initializer,
    add_lazy_initializer,
    constant_array,
    fresh_name,
    is_constant,
    sole_consumer,
    value_names,
)
from ..scope import made_from

__all__ = ["PackQueries", "take_apart"]

_MICROSOFT = "com.microsoft"
_ALIKE = ("K", "bits", "block_size", "accuracy_level")
# Inputs of MatMulNBits that hold a row per output: B, scales, zero_points, bias.
_BY_OUTPUT = (1, 2, 3, 5)
_G_IDX = 4


@dataclass(frozen=True, kw_only=True)
class PackQueries(Pass):
    """Multiply with the matrices of queries, keys and values at once."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [
            node
            for node in tuple(model.graph)
            if node.op_type == "GroupQueryAttention"
            and node.domain == _MICROSOFT
            and _try_pack(model.graph, node, taken)
        ]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_pack(graph: ir.Graph, attention: ir.Node, taken: set[str]) -> bool:
    products = _products(attention)
    if products is None:
        return False
    first = products[0]
    inputs: list[ir.Value | None] = [first.inputs[0], *([None] * max(_BY_OUTPUT))]
    for index in _BY_OUTPUT:
        parts = [part for node in products if (part := _input(node, index)) is not None]
        if parts:
            inputs[index] = _joined(graph, fresh_name(_renamed(str(parts[0].name), "q", "qkv"), taken), parts)
    while inputs[-1] is None:
        inputs.pop()
    attributes = {name: attribute.value for name, attribute in first.attributes.items()}
    attributes["N"] = sum(node.attributes.get_int("N", 0) for node in products)
    name = fresh_name(_renamed(str(first.name), "q", "qkv"), taken)
    made = ir.node("MatMulNBits", inputs, attributes, domain=_MICROSOFT, name=name)
    made_from(made, first)
    old, new = first.outputs[0], made.outputs[0]
    new.name, new.type = fresh_name(f"{name}_output", taken), old.type
    if old.shape is not None:
        new.shape = ir.Shape([*tuple(old.shape)[:-1], attributes["N"]])
    graph.insert_before(first, made)
    attention.replace_input_with(0, new)
    attention.replace_input_with(1, None)
    attention.replace_input_with(2, None)
    for node in products:
        graph.remove(node, safe=True)
    return True


def _products(attention: ir.Node) -> tuple[ir.Node, ir.Node, ir.Node] | None:
    """The products that make queries, keys and values, where they can be one."""
    found = []
    for value in attention.inputs[:3]:
        node = None if value is None else value.producer()
        if value is None or node is None or node.op_type != "MatMulNBits" or node.domain != _MICROSOFT:
            return None
        if (
            sole_consumer(value) is not attention
            or node.graph is not attention.graph
            or _input(node, _G_IDX) is not None
        ):
            return None
        found.append(node)
    query, key, val = found
    x = query.inputs[0]
    alike = all(node.inputs[0] is x and _numbers(node) == _numbers(query) for node in found)
    held = {index: [_input(node, index) for node in found] for index in _BY_OUTPUT}
    stored = all(
        all(part is None for part in parts) or all(is_constant(part) for part in parts) for parts in held.values()
    )
    return (query, key, val) if alike and stored else None


def _numbers(node: ir.Node) -> tuple[int, ...]:
    return tuple(node.attributes.get_int(name, 0) for name in _ALIKE)


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _joined(graph: ir.Graph, name: str, parts: Sequence[ir.Value]) -> ir.Value:
    """Constants one below the other; they are read when the new one is."""
    tensors = [part.const_value for part in parts if part.const_value is not None]
    shapes = [tuple(tensor.shape.numpy()) for tensor in tensors]

    def make() -> np.ndarray:
        return np.concatenate([tensor.numpy() for tensor in tensors])

    rows = sum(shape[0] for shape in shapes)
    return add_lazy_initializer(graph, name, make, tensors[0].dtype, ir.Shape((rows, *shapes[0][1:])))


def take_apart(model: ir.Model) -> bool:
    """Make three products again of each that holds queries, keys and values; whether there was one."""
    taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
    found = [node for node in tuple(model.graph) if node.op_type == "GroupQueryAttention" and _packed(node) is not None]
    for attention in found:
        product = _packed(attention)
        assert product is not None
        _part(model.graph, attention, product, taken)
    return bool(found)


def _packed(attention: ir.Node) -> ir.Node | None:
    query = attention.inputs[0]
    product = None if query is None else query.producer()
    if attention.inputs[1] is not None or product is None or product.op_type != "MatMulNBits":
        return None
    return product if all(is_constant(part) for k in _BY_OUTPUT if (part := _input(product, k)) is not None) else None


def _part(graph: ir.Graph, attention: ir.Node, product: ir.Node, taken: set[str]) -> None:
    heads, shared = (attention.attributes.get_int(name, 1) for name in ("num_heads", "kv_num_heads"))
    size = product.attributes.get_int("N", 0) // (heads + 2 * shared)
    start = 0
    for operand, (letter, count) in enumerate((("q", heads), ("k", shared), ("v", shared))):
        rows = slice(start, start + count * size)
        inputs: list[ir.Value | None] = list(product.inputs)
        for index in _BY_OUTPUT:
            whole = _input(product, index)
            if whole is not None:
                array = constant_array(whole)
                assert array is not None
                name = fresh_name(_renamed(str(whole.name), "qkv", letter), taken)
                inputs[index] = add_initializer(graph, name, np.ascontiguousarray(array[rows]))
        attributes = {name: attribute.value for name, attribute in product.attributes.items()} | {"N": count * size}
        name = fresh_name(_renamed(str(product.name), "qkv", letter), taken)
        made = ir.node("MatMulNBits", inputs, attributes, domain=_MICROSOFT, name=name)
        made.outputs[0].name, made.outputs[0].type = fresh_name(f"{name}_output", taken), product.outputs[0].type
        graph.insert_before(product, made)
        attention.replace_input_with(operand, made.outputs[0])
        start += count * size
    graph.remove(product, safe=True)


def _renamed(name: str, old: str, new: str) -> str:
    """A module's name with another in its place; where it holds none, the new one behind it."""
    found = name.replace(f"{old}_proj", f"{new}_proj")
    return found if found != name else f"{name}_{new}"
