"""Which constants of a graph are weights, which are only numbers of the graph, and which products are modules."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ....passes.edit import is_op, is_overridable
from .tensors import floating

__all__ = ["Product", "constants_of", "is_weight", "products_of"]

# Inputs that hold statistics, bounds, tables or settings: what reads a constant there alone does not make it a weight.
_SETTINGS: dict[str, frozenset[int]] = {
    "BatchNormalization": frozenset({3, 4}),
    "Clip": frozenset({1, 2}),
    "Pow": frozenset({1}),
    "Pad": frozenset({2}),
    "Resize": frozenset({1, 2}),
    "Upsample": frozenset({1}),
    "Slice": frozenset({0}),
    "Where": frozenset({1, 2}),
    "Range": frozenset({0, 1, 2}),
    "OneHot": frozenset({2}),
    "RotaryEmbedding": frozenset({1, 2, 3}),
    "GroupQueryAttention": frozenset({7, 8}),
    "GatherBlockQuantized": frozenset({2, 3}),
    "MatMulNBits": frozenset({2, 3}),
    "QuantizeLinear": frozenset({1}),
    "DequantizeLinear": frozenset({1}),
    "Max": frozenset(range(64)),
    "Min": frozenset(range(64)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """A matrix that nodes multiply by.

    Attributes:
        weight: Its name.
        flipped: It is (in, out).
        shape: (out, in).
        nodes: That multiply by it.
    """

    weight: str
    flipped: bool
    shape: tuple[int, int]
    nodes: tuple[ir.Node, ...]


def constants_of(graph: ir.Graph) -> dict[str, ir.Value]:
    """Initializers, and the outputs of Constant nodes that hold a tensor or numbers."""
    found = {name: value for name, value in graph.initializers.items() if value.const_value is not None}
    for node in graph:
        if is_op(node, "Constant") and node.outputs[0].name:
            found[node.outputs[0].name] = node.outputs[0]
    return found


def is_weight(value: ir.Value) -> bool:
    """Whether a constant is trained: floats, several or a slope, that are read as more than a setting."""
    if not value.is_initializer() or is_overridable(value) or not floating(value.dtype):
        return False
    uses = tuple(value.uses())
    if any(node.op_type == "PRelu" and index == 1 for node, index in uses):
        return True
    if value.const_value is None or value.const_value.size <= 1:
        return False
    return any(index not in _SETTINGS.get(node.op_type, ()) for node, index in uses)


def products_of(graph: ir.Graph) -> list[Product]:
    """Matrices that MatMul or a plain Gemm multiplies by from the right; the first node decides how one is laid."""
    found: dict[str, tuple[bool, tuple[int, int], list[ir.Node]]] = {}
    for node in graph:
        if not is_op(node, "MatMul", "Gemm"):
            continue
        weight = node.inputs[1]
        if weight is None or not is_weight(weight) or weight.const_value is None or not weight.name:
            continue
        dims = weight.const_value.shape.numpy()
        if len(dims) != 2 or (node.op_type == "Gemm" and not _plain(node)):
            continue
        flipped = node.op_type == "MatMul" or not node.attributes.get_int("transB", 0)
        shape = (dims[1], dims[0]) if flipped else (dims[0], dims[1])
        known = found.setdefault(weight.name, (flipped, shape, []))
        if known[0] == flipped:
            known[2].append(node)
    return [
        Product(weight=name, flipped=flipped, shape=shape, nodes=tuple(nodes))
        for name, (flipped, shape, nodes) in found.items()
    ]


def _plain(node: ir.Node) -> bool:
    """Whether a Gemm is x W or x Wᵀ, plus what it adds."""
    scales = [node.attributes.get_float(name, 1.0) for name in ("alpha", "beta")]
    return scales == [1.0, 1.0] and not node.attributes.get_int("transA", 0)
