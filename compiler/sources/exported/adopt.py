"""A decoder that was exported, as `edgec run --prompt` and onnxruntime-genai feed decoders.

    (tokens[, caches]) -> (logits[, caches])   becomes   (input_ids, attention_mask, past…) -> (logits, present…)

Its rotations and attentions are fused first; every attention then has a past and a present. Where it had caches that
grow, they get the names, and what was counted of their sizes is counted of the mask: a cache may be longer than what is
in it. Where it had none, they are added, provided that every token is answered by itself (`token_by_token.py`); rows of
cosines and sines for the first tokens become tables for a whole context. Then attention turns queries and keys itself
where its kernel can (ONNX Runtime 1.31.1: heads of a multiple of 16).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from ....errors import ModelError
from ....passes.edit import SkipNotes, fresh_name, is_constant, is_op, value_names
from ....passes.fuse.attention import FuseAttention
from ....passes.fuse.rotary import FuseRotary
from ....passes.fuse.sizes import Sizes
from ....passes.normalize.drop_identity import DropIdentity
from ....passes.normalize.fold_constants import FoldConstants
from ....passes.normalize.remove_unused import RemoveUnused
from ..decoder.build import past_name, present_name
from .counts import Counts
from .tables import Tables, longest
from .token_by_token import mixes_tokens

__all__ = ["Adopted", "adopt"]

_IDS, _MASK, _LOGITS = "input_ids", "attention_mask", "logits"
_REMEDY = (
    "Export its forward pass from tokens (batch, tokens) to logits (batch, tokens, vocabulary), with or without caches"
)
# Of a decoder whose positions have no end: what onnxruntime-genai allocates a cache for, unless it is told.
LONGEST = 4096
# GroupQueryAttention turns heads of multiples of the one by tables of widths of multiples of the other.
_TURNED = 16
_LANES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """What a decoder turned out to be.

    Attributes:
        vocabulary: Tokens.
        hidden: Width of the residual stream.
        layers: How many.
        heads, kv_heads, head_size: Of queries; of keys and values; their width.
        context: Most tokens, prompt and answer.
        added: It had no caches.
        architecture: What onnxruntime-genai reads as the model's type: decoders of any make are read as this one.
        bos, pad: Tokens that begin a text and fill a batch.
        eos: Tokens that end an answer.
    """

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    context: int
    added: bool
    architecture: str = "llama"
    bos: int | None = None
    eos: tuple[int, ...] = ()
    pad: int | None = None

    def with_tokens(self, *, bos: int | None, eos: tuple[int, ...], pad: int | None) -> Adopted:
        """The same, with tokens that begin, end and fill up."""
        return replace(self, bos=bos, eos=eos, pad=pad)


def adopt(model: ir.Model, origin: str) -> Adopted:
    """Bring an exported decoder to the form of a built one.

    Args:
        model: As loaded; it is edited.
        origin: How messages call it.

    Raises:
        ModelError: It is no decoder, or one whose tokens see each other otherwise than by causal attention.
    """
    for each in (DropIdentity(), FoldConstants(), FuseRotary(), FuseAttention(steps=True), RemoveUnused()):
        each(model)
    return _Adoption(model, origin).done()


class _Adoption:
    def __init__(self, model: ir.Model, origin: str) -> None:
        self._model = model
        self._graph = model.graph
        self._origin = origin
        self._sizes = Sizes(model.graph)
        self._attentions = [node for node in model.graph if node.op_type == "GroupQueryAttention"]

    def done(self) -> Adopted:
        self._check_attentions()
        ids, logits = self._tokens(), self._logits()
        pasts = [value for node in self._attentions for value in node.inputs[3:5] if value is not None]
        mask = self._mask(ids, pasts)
        others = [value for value in self._graph.inputs if value not in (ids, mask, *pasts)]
        if others:
            raise self._wrong(f"reads {others[0].name!r} beside tokens and caches")
        counts = Counts(self._graph, ids, mask)
        context = longest(self._graph, LONGEST)
        if pasts:
            self._take_over(pasts, counts)
        else:
            self._add_caches(ids, counts, context)
        self._name(ids, logits, counts)
        RemoveUnused()(self._model)
        return self._described(logits, context, added=not pasts)

    def _wrong(self, problem: str) -> ModelError:
        return ModelError(
            self._origin, problem, affects="A prompt needs a decoder whose cache is fed back", remedy=_REMEDY
        )

    def _check_attentions(self) -> None:
        left = [node for node in self._graph if is_op(node, "Softmax", "Attention")]
        if left:
            why = SkipNotes.of(self._model).get(str(left[0].name))
            raise self._wrong(f"has attention that cannot be cached: {left[0].name} {why or 'is no attention'}")
        if not self._attentions:
            raise self._wrong("has no causal attention")
        shapes = {
            tuple(node.attributes.get_int(name, 0) for name in ("num_heads", "kv_num_heads"))
            for node in self._attentions
        }
        cached = {len(node.outputs) for node in self._attentions}
        if len(shapes) > 1 or len(cached) > 1:
            raise self._wrong("has layers that differ in heads, or of which some have caches")

    def _tokens(self) -> ir.Value:
        """The input that picks rows of a table."""
        found = [
            value
            for value in self._graph.inputs
            if value.dtype == ir.DataType.INT64
            and len(self._sizes.of(value) or ()) == 2
            and any(is_op(use.node, "Gather") and use.idx == 1 and is_constant(use.node.inputs[0])
                    for use in value.uses())
        ]  # fmt: skip
        if len(found) != 1:
            raise self._wrong(f"has {len(found)} inputs that are int64 tokens, (batch, tokens)")
        dims = self._sizes.of(found[0])
        if dims is None or dims[1].number is not None:
            raise self._wrong(f"reads a fixed number of tokens, {found[0].name!r} {found[0].shape}")
        return found[0]

    def _logits(self) -> ir.Value:
        found = [
            value
            for value in self._graph.outputs
            if len(dims := self._sizes.of(value) or ()) == 3 and dims[2].number is not None
        ]
        if len(found) != 1 or found[0].dtype != ir.DataType.FLOAT:
            raise self._wrong(f"has {len(found)} outputs that are float32 logits, (batch, tokens, vocabulary)")
        return found[0]

    def _mask(self, ids: ir.Value, pasts: Sequence[ir.Value]) -> ir.Value | None:
        """The input, beside tokens and caches, that tells which tokens there are."""
        found = [
            value
            for value in self._graph.inputs
            if value not in (ids, *pasts) and value.dtype == ir.DataType.INT64 and len(value.shape or ()) == 2
        ]
        return found[0] if pasts and len(found) == 1 else None

    def _take_over(self, pasts: Sequence[ir.Value], counts: Counts) -> None:
        """Count what is in the caches of the mask, not of their sizes."""
        for value in pasts:
            if not value.is_graph_input():
                raise self._wrong(f"has caches that are laid out anew before attention reads them, {value.name!r}")
            for use in tuple(value.uses()):
                if use.node.op_type == "GroupQueryAttention":
                    continue
                if not is_op(use.node, "Shape"):
                    raise self._wrong(f"reads its cache {value.name!r} beside attention, in {use.node.name}")
                counts.count_past(use.node)
        for node in self._attentions:
            if not all(output.is_graph_output() and not output.uses() for output in node.outputs[1:]):
                raise self._wrong(f"has a cache that is no output, or read again, behind {node.name}")
            counts.count_in(node)

    def _add_caches(self, ids: ir.Value, counts: Counts, context: int) -> None:
        """Give every attention a cache."""
        mixing = mixes_tokens(self._graph, ids, self._sizes)
        if mixing is not None:
            raise self._wrong(
                f"lets tokens see each other in {mixing.name} ({mixing.op_type}), so that none can be cached"
            )
        tables = Tables(ids, self._sizes, counts, context)
        try:
            for node in tuple(self._graph):
                if node.op_type == "RotaryEmbedding":
                    tables.widen(node)
        except ValueError as error:
            raise self._wrong(str(error)) from error
        for node in self._attentions:
            if node.attributes.get_int("causal", 1) != 1:
                raise self._wrong(f"lets tokens see later ones, in {node.name}")
            counts.add_cache(node)
        RemoveUnused()(self._model)
        FoldConstants()(self._model)
        for node in self._attentions:
            _turn_inside(node, self._head_size(node))

    def _head_size(self, node: ir.Node) -> int:
        dims = self._sizes.of(node.inputs[0])
        width = None if dims is None else dims[-1].number
        if width is None:
            shape = node.inputs[0].shape if node.inputs[0] is not None else None
            last = shape[-1] if shape is not None else None
            if not isinstance(last, int):
                raise self._wrong(f"has queries of unknown width in {node.name}")
            width = last
        return width // node.attributes.get_int("num_heads", 1)

    def _name(self, ids: ir.Value, logits: ir.Value, counts: Counts) -> None:
        """Names and sizes as onnxruntime-genai knows them, in its order."""
        graph, batch = self._graph, "batch_size"
        _make_room(graph, {_IDS, _MASK, _LOGITS, *self._caches()})
        ids.name, ids.shape = _IDS, ir.Shape([batch, "sequence_length"])
        counts.mask.name, counts.mask.shape = _MASK, ir.Shape([batch, "total_sequence_length"])
        width = logits.shape[-1] if logits.shape is not None else None
        logits.name, logits.shape = _LOGITS, ir.Shape([batch, "sequence_length", width])
        ends: list[ir.Value] = [logits]
        starts: list[ir.Value] = [ids, counts.mask]
        for layer, node in enumerate(self._attentions):
            heads = node.attributes.get_int("kv_num_heads", 1)
            size = self._head_size(node)
            for what, past, present in zip(("key", "value"), node.inputs[3:5], node.outputs[1:3], strict=True):
                assert past is not None
                past.name, past.shape = past_name(layer, what), ir.Shape([batch, heads, "past_sequence_length", size])
                present.name = present_name(layer, what)
                present.shape = ir.Shape([batch, heads, "total_sequence_length", size])
                starts.append(past)
                ends.append(present)
        graph.inputs.clear()
        graph.inputs.extend(starts)
        graph.outputs.clear()
        graph.outputs.extend(ends)

    def _caches(self) -> list[str]:
        layers = range(len(self._attentions))
        return [
            name(layer, what) for layer in layers for what in ("key", "value") for name in (past_name, present_name)
        ]

    def _described(self, logits: ir.Value, context: int, *, added: bool) -> Adopted:
        node = self._attentions[0]
        table = next(use.node.inputs[0] for use in self._graph.inputs[0].uses() if is_op(use.node, "Gather"))
        assert table is not None
        assert table.shape is not None
        assert logits.shape is not None
        numbers = [table.shape[1], logits.shape[-1]]
        hidden, vocabulary = (number if isinstance(number, int) else 0 for number in numbers)
        return Adopted(
            vocabulary=vocabulary,
            hidden=hidden,
            layers=len(self._attentions),
            heads=node.attributes.get_int("num_heads", 1),
            kv_heads=node.attributes.get_int("kv_num_heads", 1),
            head_size=self._head_size(node),
            context=context,
            added=added,
        )


def _make_room(graph: ir.Graph, names: set[str]) -> None:
    """Call whatever has one of these names otherwise."""
    taken = value_names(graph) | names
    values = [*graph.inputs, *(output for node in graph for output in node.outputs)]
    for value in (*values, *tuple(graph.initializers.values())):
        if value.name in names:
            value.name = fresh_name(f"{value.name}_before", taken)


def _turn_inside(attention: ir.Node, size: int) -> None:
    """Let attention turn queries and keys, where both are turned alike by tables that its kernel reads."""
    turns = [value.producer() for value in attention.inputs[:2] if value is not None]
    query, key = turns
    if query is None or key is None or {query.op_type, key.op_type} != {"RotaryEmbedding"} or size % _TURNED:
        return
    cos, sin = query.inputs[2:4]
    width = cos.shape[-1] if cos is not None and cos.shape is not None else None
    kind = query.attributes.get_int("interleaved", 0)
    if key.inputs[2:4] != query.inputs[2:4] or key.attributes.get_int("interleaved", 0) != kind:
        return
    if not isinstance(width, int) or width % _LANES or not is_constant(cos) or not is_constant(sin):
        return
    if any(len(node.outputs[0].uses()) != 1 for node in (query, key)):
        return
    attention.replace_input_with(0, query.inputs[0])
    attention.replace_input_with(1, key.inputs[0])
    attention.resize_inputs(9)
    attention.replace_input_with(7, cos)
    attention.replace_input_with(8, sin)
    attention.attributes["do_rotary"] = ir.AttrInt64("do_rotary", 1)
    attention.attributes["rotary_interleaved"] = ir.AttrInt64("rotary_interleaved", kind)
