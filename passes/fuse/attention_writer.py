"""Writes attentions of com.microsoft into a graph, and what they read beside their operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name, value_names
from ..scope import made_from
from .heads import Cache
from .scores import Attends, Mask
from .size import Size
from .sizes import Sizes
from .swap import name_outputs, sweep

__all__ = ["Operands", "Place", "Writer"]

_MICROSOFT = "com.microsoft"
_TURN = (0, 2, 1, 3)
# From here on a Shape says some sizes alone.
_PART_OF_SHAPE = 15


@dataclass(frozen=True, slots=True)
class Place:
    """A value, and how heads lie in it: `joined`, `apart` or `turned`."""

    value: ir.Value
    form: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Operands:
    """An attention as it is to be written.

    Attributes:
        query, key, value: Of the new tokens.
        heads, shared: Of queries; of keys and values.
        size: Of a head.
        scale: Of the scores.
        causal: No token sees a later one.
        mask: Laid over the scores: added, or where it does not hold they are lowest.
        caches: Of keys and values.
        tokens, total: New ones; those of the cache too.
    """

    query: Place
    key: Place
    value: Place
    heads: int
    shared: int
    size: int
    scale: float
    causal: bool
    mask: Mask | None
    caches: tuple[Cache, Cache] | None
    tokens: Size
    total: Size


class Writer:
    """Puts attentions in place of others.

    Args:
        graph: Edited.
        sizes: Those of its values as they were.
    """

    def __init__(self, graph: ir.Graph, sizes: Sizes) -> None:
        self._graph = graph
        self._sizes = sizes
        self._taken = value_names(graph) | {node.name for node in graph if node.name}
        self._constants: dict[str, ir.Value] = {}
        self._masks: dict[ir.Value, ir.Value] = {}
        self._lengths: dict[tuple[Size, Size], tuple[ir.Value, ir.Value]] = {}

    def write(self, found: Attends, how: Operands) -> None:
        """Put the operator in place of an attention.

        Args:
            found: As it was written.
            how: As it is to be.
        """
        name, old = str(found.node.name), found.output.producer()
        assert old is not None
        nodes: list[ir.Node] = []
        operands = [
            self._joined(place, count * how.size, name, nodes)
            for place, count in ((how.query, how.heads), (how.key, how.shared), (how.value, how.shared))
        ]
        if how.caches is None and not how.causal and how.mask is None and how.shared == how.heads:
            numbers: dict[str, int | float] = {"num_heads": how.heads, "scale": how.scale}
            attention = ir.node("MultiHeadAttention", operands, numbers, domain=_MICROSOFT,
                                name=f"{name}_MultiHeadAttention")  # fmt: skip
        else:
            attention = self._grouped(how, operands, name, nodes)
        nodes.append(attention)
        joined = self._next(found.output, how)
        if joined is None:
            self._part(attention, how, nodes)
        for node in nodes:
            made_from(node, found.node)
            name_outputs(node, found.output, self._taken)
        self._graph.insert_after(old, nodes)
        _stand_for(nodes[-1].outputs[0], found.output if joined is None else joined)
        gone = None if joined is None else joined.producer()
        sweep(self._graph, [old, *([] if gone is None else [gone])])
        if how.caches is not None:
            for cache, present in zip(how.caches, attention.outputs[1:], strict=True):
                self._carry_on(cache, present, attention)

    def _constant(self, name: str, array: np.ndarray) -> ir.Value:
        if name not in self._constants:
            self._constants[name] = add_initializer(self._graph, fresh_name(name, self._taken), array)
        return self._constants[name]

    def _joined(self, place: Place, width: int, name: str, nodes: list[ir.Node]) -> ir.Value:
        """An operand as (batch, tokens, heads · size)."""
        value = place.value
        if place.form == "turned":
            nodes.append(ir.node("Transpose", [value], {"perm": _TURN}, name=f"{name}_turned"))
            value = nodes[-1].outputs[0]
        if place.form != "joined":
            shape = self._constant(f"heads_joined_{width}", np.asarray([0, 0, width], np.int64))
            nodes.append(ir.node("Reshape", [value, shape], name=f"{name}_joined"))
            value = nodes[-1].outputs[0]
        return value

    def _grouped(self, how: Operands, operands: list[ir.Value], name: str, nodes: list[ir.Node]) -> ir.Node:
        pasts: list[ir.Value | None] = [None, None]
        if how.caches is not None:
            pasts = [self._past(cache, name, nodes) for cache in how.caches]
        lengths, total = self._counted(how, operands[0], pasts[0], name, nodes)
        inputs: list[ir.Value | None] = [*operands, *pasts, lengths, total]
        numbers: dict[str, int | float] = {"num_heads": how.heads, "kv_num_heads": how.shared, "scale": how.scale}
        if not how.causal:
            numbers["causal"] = 0
        if how.mask is not None:
            inputs += [None, None, None, self._added(how.mask, name, nodes)]
        outputs = 1 if how.caches is None else 3
        return ir.node("GroupQueryAttention", inputs, numbers, domain=_MICROSOFT, num_outputs=outputs,
                       name=f"{name}_GroupQueryAttention")  # fmt: skip

    def _added(self, mask: Mask, name: str, nodes: list[ir.Node]) -> ir.Value:
        """A mask to be added."""
        if mask.filled is None:
            return mask.value
        if mask.value not in self._masks:
            shown = self._constant("mask_shown", np.asarray(0, np.float32))
            lowest = np.finfo(np.float32).min
            hidden = self._constant("mask_hidden", np.asarray(max(mask.filled, lowest), np.float32))
            nodes.append(ir.node("Where", [mask.value, shown, hidden], name=f"{name}_mask"))
            self._masks[mask.value] = nodes[-1].outputs[0]
        return self._masks[mask.value]

    def _past(self, cache: Cache, name: str, nodes: list[ir.Node]) -> ir.Value:
        """What was before, (batch, heads, tokens, size)."""
        order = _order(cache)
        if order == (0, 1, 2, 3):
            return cache.past.value
        nodes.append(ir.node("Transpose", [cache.past.value], {"perm": order}, name=f"{name}_past"))
        return nodes[-1].outputs[0]

    def _carry_on(self, cache: Cache, present: ir.Value, attention: ir.Node) -> None:
        """Let what the operator gives out be the cache that was joined, for whoever else reads that later."""
        joined, order = cache.node.outputs[0], _order(cache)
        places = {node: place for place, node in enumerate(self._graph)}
        early = [use for use in joined.uses() if places.get(use.node, 0) < places[attention]]
        if early or not (joined.uses() or joined.is_graph_output()):
            sweep(self._graph, [cache.node])
            return
        if order != (0, 1, 2, 3):
            back = tuple(order.index(axis) for axis in range(4))
            node = ir.node("Transpose", [present], {"perm": back}, name=f"{cache.node.name}_present")
            name_outputs(node, joined, self._taken)
            made_from(node, cache.node)
            self._graph.insert_after(attention, node)
            present = node.outputs[0]
        _stand_for(present, joined)
        sweep(self._graph, [cache.node])

    def _counted(
        self, how: Operands, query: ir.Value, past: ir.Value | None, name: str, nodes: list[ir.Node]
    ) -> tuple[ir.Value, ir.Value]:
        """The place of the last token of each sequence, and how many tokens there are; once for all layers."""
        batch = self._sizes.of(how.query.value)
        assert batch is not None
        key = (batch[0], how.total)
        if key in self._lengths:
            return self._lengths[key]
        made: list[ir.Node] = []

        def write(op: str, *inputs: ir.Value, **attributes: int) -> ir.Value:
            made.append(ir.node(op, list(inputs), attributes, name=f"{name}_tokens_{op}"))
            kind = attributes.get("to", ir.DataType.INT64)
            made[-1].outputs[0].type = ir.TensorType(ir.DataType(kind))
            return made[-1].outputs[0]

        def size(value: ir.Value, axis: int) -> ir.Value:
            if self._graph.opset_imports.get("", 1) >= _PART_OF_SHAPE:
                return write("Shape", value, start=axis, end=axis + 1)
            ends = (self._constant(f"tokens_{k}", np.asarray([k], np.int64)) for k in (axis, axis + 1))
            return write("Slice", write("Shape", value), *ends)

        tokens = size(query, 1)
        if past is not None:
            tokens = write("Add", size(past, 2), tokens)
        one = self._constant("tokens_one", np.asarray([1], np.int64))
        last = write("Expand", write("Sub", tokens, one), size(query, 0))
        lengths = write("Cast", last, to=int(ir.DataType.INT32))
        whole = write("Squeeze", tokens)
        total = write("Cast", whole, to=int(ir.DataType.INT32))
        nodes += made
        self._lengths[key] = lengths, total
        return lengths, total

    def _part(self, attention: ir.Node, how: Operands, nodes: list[ir.Node]) -> None:
        """Heads apart again, before tokens."""
        shape = self._constant(f"{how.heads}_heads", np.asarray([0, 0, how.heads, how.size], np.int64))
        parted = ir.node("Reshape", [attention.outputs[0], shape], name=f"{attention.name}_parted")
        turned = ir.node("Transpose", [parted.outputs[0]], {"perm": _TURN}, name=f"{attention.name}_turned")
        nodes += [parted, turned]

    def _next(self, output: ir.Value, how: Operands) -> ir.Value | None:
        """(batch, tokens, heads · size), where that is all that an attention's output becomes."""
        value = output
        for op in ("Transpose", "Reshape"):
            uses = tuple(value.uses())
            if len(uses) != 1 or value.is_graph_output() or uses[0].node.op_type != op or uses[0].idx:
                return None
            node = uses[0].node
            if node.graph is not self._graph:
                return None
            if op == "Transpose" and tuple(node.attributes.get_ints("perm", ())) != _TURN:
                return None
            value = node.outputs[0]
        dims, query = self._sizes.of(value), self._sizes.of(output)
        assert query is not None
        return value if dims == (query[0], how.tokens, Size.of(how.heads * how.size)) else None


def _stand_for(new: ir.Value, old: ir.Value) -> None:
    new.name, new.type, new.shape = old.name, old.type, old.shape
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)


def _order(cache: Cache) -> tuple[int, ...]:
    """The axes of batch, heads, tokens and size of a cache."""
    axes = [axis for axis, _ in enumerate(cache.past.axes)]
    named = {"".join(part.name for part in parts)[:1]: axis for axis, parts in enumerate(cache.joined.axes) if parts}
    left = [axis for axis in axes if axis not in named.values()]
    return tuple(named[letter] if letter in named else left.pop(0) for letter in "bhtd")
