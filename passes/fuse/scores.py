"""What an attention of a graph is made of: queries, keys, values, a scale, and what may not be seen.

Softmax((Q Kᵀ) · scale + mask) V, from a Softmax; or ONNX's operator Attention, which says it itself
"""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir as ir

from ..edit import constant_scalar, is_op, sole_consumer

__all__ = ["Attends", "Mask", "attends"]


@dataclass(frozen=True, slots=True)
class Mask:
    """What is laid over scores.

    Attributes:
        value: Added to them; or, where `filled`, whether they are replaced.
        filled: The number that scores are replaced by.
        keeps: It is replaced where the value does not hold.
    """

    value: ir.Value
    filled: float | None = None
    keeps: bool = False


@dataclass(kw_only=True, slots=True)
class Attends:
    """An attention as it was written.

    Attributes:
        node: The Softmax, or the operator: what a reason is told of.
        query, key, value: (batch, heads, tokens, size); keys of `transposed` have the last two exchanged.
        product: Whose output is (batch, heads, tokens, size).
        scale: Of the scores; None is 1/√size.
        masks: All that is laid over them.
        causal: The operator says that no token sees a later one.
        guarded: Rows that see nothing have an answer of their own.
    """

    node: ir.Node
    query: ir.Value
    key: ir.Value
    value: ir.Value
    product: ir.Node
    scale: float | None = 1.0
    masks: list[Mask] = field(default_factory=list)
    transposed: bool = True
    causal: bool = False
    guarded: bool = False

    @property
    def output(self) -> ir.Value:
        """What the attention answers."""
        return self.product.outputs[0]


def attends(node: ir.Node) -> Attends | None:
    """The attention that a node is the Softmax of, or is."""
    if is_op(node, "Attention"):
        return _of_operator(node)
    return _of_softmax(node) if is_op(node, "Softmax") else None


def _of_operator(node: ir.Node) -> Attends | None:
    """`Attention` of heads apart, whose cache is joined before it."""
    query, key, value, *rest = node.inputs
    said = node.attributes
    softcap: float = said.get_float("softcap", 0.0)
    plain = not any(rest[1:]) and all(not output.uses() and not output.is_graph_output() for output in node.outputs[1:])
    if query is None or key is None or value is None or not plain or softcap:
        return None
    if query.shape is None or len(query.shape) != 4 or key.shape is None or len(key.shape) != 4:
        return None
    masks: list[Mask] = []
    if rest and rest[0] is not None:
        held = rest[0].dtype == ir.DataType.BOOL
        masks.append(Mask(rest[0], -float("inf"), True) if held else Mask(rest[0]))
    scale = said["scale"].as_float() if "scale" in said else None
    causal = bool(said.get_int("is_causal", 0))
    return Attends(
        node=node, query=query, key=key, value=value, product=node, masks=masks, scale=scale, transposed=False,
        causal=causal,
    )  # fmt: skip


def _of_softmax(node: ir.Node) -> Attends | None:
    shape = node.outputs[0].shape
    axis = node.attributes.get_int("axis", -1)
    if axis != -1 and (shape is None or axis != len(shape) - 1):
        return None
    guarded = any(is_op(use.node, "IsNaN") for use in node.outputs[0].uses())
    product = _weighing(node.outputs[0])
    if product is None or product.graph is not node.graph or node.inputs[0] is None:
        return None
    value = product.inputs[1]
    masks: list[Mask] = []
    found = _scores(node.inputs[0], masks)
    if found is None or value is None:
        return None
    scores, scale = found
    query, key = scores.inputs
    if query is None or key is None:
        return None
    return Attends(
        node=node, query=query, key=key, value=value, product=product, scale=scale, masks=masks, guarded=guarded
    )


def _weighing(weights: ir.Value) -> ir.Node | None:
    """The product of weights and values; a guard against rows that see nothing may be between."""
    readers = {use.node for use in weights.uses()}
    guards = [node for node in readers if is_op(node, "IsNaN")]
    if len(readers) == 2 and len(guards) == 1:
        [chosen] = readers - set(guards)
        asked = sole_consumer(guards[0].outputs[0])
        plain = is_op(chosen, "Where") and asked is chosen and constant_scalar(chosen.inputs[1]) == 0
        if not plain or chosen.inputs[2] is not weights:
            return None
        weights = chosen.outputs[0]
    reader = sole_consumer(weights)
    return reader if is_op(reader, "MatMul") and reader is not None and reader.inputs[0] is weights else None


def _scores(value: ir.Value, masks: list[Mask]) -> tuple[ir.Node, float] | None:
    """The product of queries and keys under masks and then a scale, none of which anybody else reads."""
    node, scale, scaled = value.producer(), 1.0, False
    while node is not None and not is_op(node, "MatMul"):
        if sole_consumer(node.outputs[0]) is None:
            return None
        inner: ir.Value | None = None
        if is_op(node, "Mul", "Div"):
            inner, factor = node.inputs[0], constant_scalar(node.inputs[1])
            if factor is None and is_op(node, "Mul"):
                inner, factor = node.inputs[1], constant_scalar(node.inputs[0])
            if not factor:
                return None
            scale, scaled = scale * factor if is_op(node, "Mul") else scale / factor, True
        elif is_op(node, "Add", "Where") and not scaled:
            inner = _masked(node, masks)
        node = None if inner is None else inner.producer()
    return (node, scale) if node is not None and sole_consumer(node.outputs[0]) is not None else None


def _masked(node: ir.Node, masks: list[Mask]) -> ir.Value | None:
    """The scores that a node lays a mask over."""
    if is_op(node, "Add"):
        for one, other in (node.inputs, tuple(reversed(node.inputs))):
            if one is not None and other is not None and _leads_to_product(one):
                masks.append(Mask(other))
                return one
        return None
    asked, then, otherwise = node.inputs
    for scores, filled, keeps in ((then, constant_scalar(otherwise), True), (otherwise, constant_scalar(then), False)):
        if filled is not None and asked is not None and scores is not None and _leads_to_product(scores):
            masks.append(Mask(asked, filled, keeps))
            return scores
    return None


def _leads_to_product(value: ir.Value) -> bool:
    """Whether a product is right behind a value, or behind scales and masks."""
    node = value.producer()
    while node is not None and not is_op(node, "MatMul"):
        if not is_op(node, "Mul", "Div", "Add", "Where"):
            return False
        inner = [each for each in node.inputs if each is not None and is_op(each.producer(), *_BETWEEN)]
        node = inner[0].producer() if inner else None
    return node is not None


_BETWEEN = ("MatMul", "Mul", "Div", "Add", "Where")
