"""Two MatMulNBits of one x, one of them a gate -> one: gates and what they let through side by side.

    act(x Gᵀ) * (x Uᵀ) -> act(g) * u,  g, u = Split(x [G; U]ᵀ)

with act a chain of activations, or the pair g * Sigmoid(g): GLU and its kin (N. Shazeer, "GLU Variants Improve
Transformer", 2020, arXiv 2002.05202, eq. 6). Exact: see `side_by_side.py`.

A product that reads its matrix from memory begins slowly: 125 M weights in 4 bits decode 1 to 3 % faster with 12 of
them fewer, 1.1 G weights 1 % (ONNX Runtime 1.31.1, one thread and two, Zen 5).

What was `…gate_proj…` is called `…gate_up_proj…` then. `part_gates` is the way back.

Scope: the main graph, products whose codes, scales and zero points are constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, is_op, opset_of, rewire, sole_consumer, value_names
from .side_by_side import alike, in_place_of, is_product, join, part

__all__ = ["PackGates", "part_gates"]

# Split into so many parts of one size: by the number of outputs, and by an attribute from 18 on.
_FIRST, _COUNTED = 13, 18
_ACTIVATIONS = ("Gelu", "Relu", "Sigmoid", "Swish", "Tanh")
_MORE_ACTIVATIONS = ("FastGelu", "Gelu", "QuickGelu")
_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, kw_only=True)
class PackGates(Pass):
    """Multiply with the matrices of gates and of what they let through at once."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < _FIRST:
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [
            node
            for node in tuple(model.graph)
            if is_op(node, "Mul") and (pair := _pair(node)) is not None and _pack(model, pair, taken)
        ]
        return ir.passes.PassResult(model, modified=bool(done))


def part_gates(model: ir.Model) -> bool:
    """Make two products again of each that holds a gate and what it lets through; whether there was one."""
    taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
    found = [
        (node, product)
        for node in tuple(model.graph)
        if is_op(node, "Split") and (product := _packed(node)) is not None
    ]
    for split, product in found:
        half = product.attributes.get_int("N", 0) // 2
        for k, name in enumerate(("gate", "up")):
            made = part(model.graph, product, slice(k * half, (k + 1) * half), in_place_of("gate_up", name), taken)
            rewire(tuple(split.outputs[k].uses()), made.outputs[0])
        model.graph.remove([split, product], safe=True)
    return bool(found)


def _pair(multiply: ir.Node) -> tuple[ir.Node, ir.Node] | None:
    """The gate's product and the other, where a Mul joins such two."""
    for gated, through in (tuple(multiply.inputs), tuple(reversed(multiply.inputs))):
        up = None if through is None else through.producer()
        gate = None if gated is None or gated.producer() is up else _activated(gated)
        if gate is None or up is None or gate is up or not (is_product(up) and is_product(gate)):
            continue
        same = up.attributes.get_int("N", 0) == gate.attributes.get_int("N", 0)
        outward = any(node.outputs[0].is_graph_output() for node in (gate, up))
        if same and not outward and gate.graph is multiply.graph and alike((gate, up)):
            return gate, up
    return None


def _activated(value: ir.Value) -> ir.Node | None:
    """What an activation is of, where there is one."""
    node = value.producer()
    if node is None:
        return None
    if is_op(node, "Mul"):
        for gate, weight in (tuple(node.inputs), tuple(reversed(node.inputs))):
            sigmoid = None if weight is None else weight.producer()
            if gate is not None and is_op(sigmoid, "Sigmoid") and sigmoid is not None and sigmoid.inputs[0] is gate:
                return gate.producer()
        return None
    unary = is_op(node, *_ACTIVATIONS) or (node.domain == _MICROSOFT and node.op_type in _MORE_ACTIVATIONS)
    if not unary or node.inputs[0] is None:
        return None
    before = node.inputs[0].producer()
    return before if is_product(before) else _activated(node.inputs[0])


def _pack(model: ir.Model, pair: tuple[ir.Node, ir.Node], taken: set[str]) -> bool:
    graph, (gate, up) = model.graph, pair
    uses = [tuple(node.outputs[0].uses()) for node in pair]
    made = join(graph, pair, in_place_of("gate", "gate_up"), taken)
    attributes = {"axis": -1} | ({"num_outputs": 2} if opset_of(model) >= _COUNTED else {})
    name = fresh_name(f"{made.name}/Split", taken)
    split = ir.node("Split", made.outputs, attributes, num_outputs=2, name=name)
    graph.insert_after(made, split)
    for node, half, reads in zip(pair, split.outputs, uses, strict=True):
        old = node.outputs[0]
        half.name, half.type, half.shape = fresh_name(f"{old.name}_half", taken), old.type, old.shape
        rewire(reads, half)
    graph.remove([gate, up], safe=True)
    return True


def _packed(split: ir.Node) -> ir.Node | None:
    """The product that a Split takes apart, where `PackGates` made the two."""
    value = split.inputs[0]
    product = None if value is None else value.producer()
    if value is None or product is None or sole_consumer(value) is not split or len(split.outputs) != 2:
        return None
    return product if "gate_up" in str(product.name) and is_product(product) else None
