"""The decoder: tokens, what it said before and what the encoder knows → logits of the next token."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from ..decoder.matrices import Weight
from ..decoder.writer import Writer
from .config import EncoderDecoderConfig
from .layers import Layers

__all__ = ["CROSS_PAST", "IDS", "LOGITS", "PAST", "PRESENT", "build_decoder"]

IDS, LOGITS = "input_ids", "logits"
# Of a layer, key or value: as onnxruntime-genai 0.18 calls them.
PAST, PRESENT, CROSS_PAST = "past_{}_self_{}", "present_{}_self_{}", "past_{}_cross_{}"
_IR_VERSION = 10
_FLOAT, _INT32, _INT64 = ir.DataType.FLOAT, ir.DataType.INT32, ir.DataType.INT64


def build_decoder(
    config: EncoderDecoderConfig, weights: Mapping[str, Weight], *, origin: str = "<weights>", accuracy_level: int = 4
) -> ir.Model:
    """The graph of the decoder.

    Args:
        config: What it is.
        weights: By Hugging Face's names.
        origin: Where they come from, for messages.
        accuracy_level: Of MatMulNBits, where weights are in blocks.

    Returns:
        Inputs `input_ids` int32 (batch, tokens), and of every layer `past_key_self_0`… (batch, heads, past, head) and
        `past_key_cross_0`… (batch, heads, frames, head); outputs `logits` (batch, tokens, vocabulary) and
        `present_key_self_0`….

    Raises:
        ModelError: A weight is missing or has another shape.
    """
    layers = Layers(
        weights,
        origin,
        hidden=config.hidden,
        intermediate=config.decoder_intermediate,
        heads=config.decoder_heads,
        level=accuracy_level,
    )
    writer, size = layers.writer, config.hidden // config.decoder_heads
    ids = writer.input(IDS, _INT32, ("batch_size", "sequence_length"))
    shape = ("batch_size", config.decoder_heads, "past_sequence_length", size)
    longer = ("batch_size", config.decoder_heads, "total_sequence_length", size)
    across = ("batch_size", config.decoder_heads, config.frames, size)

    def inputs(pattern: str, number: int, dims: tuple[int | str, ...]) -> tuple[ir.Value, ...]:
        return tuple(writer.input(pattern.format(kind, number), _FLOAT, dims) for kind in ("key", "value"))

    pasts = [inputs(PAST, number, shape) for number in range(config.decoder_layers)]
    knowns = [inputs(CROSS_PAST, number, across) for number in range(config.decoder_layers)]
    table = layers.matrix("model.decoder.embed_tokens", config.vocabulary, config.hidden)
    x = table.look_up(writer, ids, "/model/decoder/embed_tokens")
    if config.scaled:
        factor = writer.constant("embed_scale", np.asarray(config.hidden**0.5, np.float32))
        dims = ("batch_size", "sequence_length", config.hidden)
        x = writer.write("Mul", [x, factor], name="/model/decoder/embed_tokens/Mul", dims=dims)
    places = layers.array("model.decoder.embed_positions.weight", (config.context, config.hidden))
    x = layers.add("model.decoder.embed_positions", x, _positions(writer, ids, pasts[0][0], places, config.hidden))
    presents: list[ir.Value] = []
    for number in range(config.decoder_layers):
        name = f"model.decoder.layers.{number}"
        outputs = [(PRESENT.format(kind, number), _FLOAT, longer) for kind in ("key", "value")]
        added, made = layers.attention(
            f"{name}.self_attn",
            layers.norm(f"{name}.self_attn_layer_norm", x),
            past=pasts[number],
            presents=outputs,
        )
        presents += made
        x = layers.add(f"{name}.self_attn", x, added)
        normed = layers.norm(f"{name}.encoder_attn_layer_norm", x)
        added, _ = layers.attention(f"{name}.encoder_attn", normed, known=knowns[number])
        x = layers.add(f"{name}.encoder_attn", x, added)
        x = layers.add(name, x, layers.feed_forward(name, layers.norm(f"{name}.final_layer_norm", x)))
    logits = table.multiply(writer, layers.norm("model.decoder.layer_norm", x), "/proj_out", None)
    logits.name = LOGITS
    writer.graph.outputs.extend([logits, *presents])
    return ir.Model(writer.graph, ir_version=_IR_VERSION, producer_name="edgec")


def _positions(writer: Writer, ids: ir.Value, past: ir.Value, table: ir.Value, hidden: int) -> ir.Value:
    """Rows past … past + tokens - 1 of the table of positions, (tokens, hidden)."""
    node = "/model/decoder/embed_positions"
    axis = writer.constant("positions_axis", np.asarray([0], np.int64))
    before = writer.write("Shape", [past], name=f"{node}/past/Shape", dims=(1,), dtype=_INT64, start=2, end=3)
    tokens = writer.write("Shape", [ids], name=f"{node}/Shape", dims=(1,), dtype=_INT64, start=1, end=2)
    until = writer.write("Add", [before, tokens], name=f"{node}/until/Add", dims=(1,), dtype=_INT64)
    return writer.write(
        "Slice", [table, before, until, axis], name=f"{node}/Slice", dims=("sequence_length", hidden), dtype=_FLOAT
    )
