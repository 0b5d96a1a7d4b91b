"""Several MatMulNBits of one x as one, their rows one below the other; and back.

    x Aᵀ, x Bᵀ, … -> x [A; B; …]ᵀ

Exact: every output is the same dot product of the same codes. One kernel is started for several, and x is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, add_lazy_initializer, constant_array, fresh_name, is_constant
from ..scope import made_from

__all__ = ["Rename", "alike", "in_place_of", "is_product", "join", "part"]

# The name of what is made, of the name of what it is made from.
Rename: TypeAlias = Callable[[str], str]

_MICROSOFT = "com.microsoft"
_ALIKE = ("K", "bits", "block_size", "accuracy_level")
# Inputs of MatMulNBits that hold a row per output: B, scales, zero_points, bias.
_BY_OUTPUT = (1, 2, 3, 5)
_G_IDX = 4


def is_product(node: ir.Node | None) -> bool:
    """Whether a node is a MatMulNBits that reads its columns in order, its rows constants."""
    if node is None or node.op_type != "MatMulNBits" or node.domain != _MICROSOFT or _input(node, _G_IDX) is not None:
        return False
    return all(is_constant(rows) for k in _BY_OUTPUT if (rows := _input(node, k)) is not None)


def alike(products: Sequence[ir.Node]) -> bool:
    """Whether products (`is_product`) differ in their rows alone: one x, one form, all with biases or none."""
    first = products[0]
    return all(
        node.graph is first.graph
        and node.inputs[0] is first.inputs[0]
        and _numbers(node) == _numbers(first)
        and all(_kind(node, k) == _kind(first, k) for k in _BY_OUTPUT)
        for node in products
    )


def join(graph: ir.Graph, products: Sequence[ir.Node], rename: Rename, taken: set[str]) -> ir.Node:
    """One product for several that are `alike`, before the first of them; they are left for the caller to remove.

    Args:
        graph: Where they are.
        products: In the order of their rows.
        rename: Of the first one's names.
        taken: Names in use; what is made is added.
    """
    first = products[0]
    inputs: list[ir.Value | None] = [first.inputs[0], *([None] * max(_BY_OUTPUT))]
    for k in _BY_OUTPUT:
        parts = [rows for node in products if (rows := _input(node, k)) is not None]
        if parts:
            inputs[k] = _joined(graph, fresh_name(rename(str(parts[0].name)), taken), parts)
    while inputs[-1] is None:
        inputs.pop()
    made = _product(inputs, first, sum(node.attributes.get_int("N", 0) for node in products), rename, taken)
    graph.insert_before(next(node for node in graph if node in products), made)
    return made


def part(graph: ir.Graph, product: ir.Node, rows: slice, rename: Rename, taken: set[str]) -> ir.Node:
    """The product of some rows of one, before it."""
    inputs: list[ir.Value | None] = list(product.inputs)
    for k in _BY_OUTPUT:
        whole = constant_array(_input(product, k))
        if whole is not None:
            name = fresh_name(rename(str(product.inputs[k].name)), taken)  # type: ignore[union-attr]
            # Older writers store scales and zero points as one row.
            by_output = whole.reshape(product.attributes.get_int("N", 0), -1)[rows]
            inputs[k] = add_initializer(graph, name, by_output.reshape(-1, *whole.shape[1:]))
    made = _product(inputs, product, rows.stop - rows.start, rename, taken)
    graph.insert_before(product, made)
    return made


def in_place_of(old: str, new: str) -> Rename:
    """A module's name with another in its place (`q` for `qkv`); where it holds none, the new one behind it."""

    def rename(name: str) -> str:
        found = name.replace(f"{old}_proj", f"{new}_proj")
        return found if found != name else f"{name}_{new}"

    return rename


def _product(
    inputs: Sequence[ir.Value | None], like: ir.Node, outputs: int, rename: Rename, taken: set[str]
) -> ir.Node:
    attributes = {name: attribute.value for name, attribute in like.attributes.items()} | {"N": outputs}
    name = fresh_name(rename(str(like.name)), taken)
    made = ir.node("MatMulNBits", inputs, attributes, domain=_MICROSOFT, name=name)
    made_from(made, like)
    old, new = like.outputs[0], made.outputs[0]
    new.name, new.type = fresh_name(f"{name}_output", taken), old.type
    if old.shape is not None:
        new.shape = ir.Shape([*tuple(old.shape)[:-1], outputs])
    return made


def _joined(graph: ir.Graph, name: str, parts: Sequence[ir.Value]) -> ir.Value:
    """Constants one below the other; they are read when the new one is."""
    tensors = [value.const_value for value in parts if value.const_value is not None]
    shapes = [tuple(tensor.shape.numpy()) for tensor in tensors]

    def make() -> np.ndarray:
        return np.concatenate([tensor.numpy() for tensor in tensors])

    rows = sum(shape[0] for shape in shapes)
    return add_lazy_initializer(graph, name, make, tensors[0].dtype, ir.Shape((rows, *shapes[0][1:])))


def _numbers(node: ir.Node) -> tuple[int, ...]:
    return tuple(node.attributes.get_int(name, 0) for name in _ALIKE)


def _kind(node: ir.Node, index: int) -> tuple[ir.DataType | None, int] | None:
    """Type and rank of an input that holds a row per output, which differ between writers."""
    value = _input(node, index)
    return None if value is None else (value.dtype, -1 if value.shape is None else len(value.shape))


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None
