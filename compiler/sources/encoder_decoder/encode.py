"""The encoder: features → states, and what every layer of the decoder reads of them."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from ..decoder.matrices import Weight
from ..decoder.writer import dims_of
from .config import EncoderDecoderConfig
from .layers import Layers

__all__ = ["CROSS_PRESENT", "FEATURES", "STATES", "build_encoder"]

FEATURES, STATES = "audio_features", "hidden_states"
# Of a layer, key or value: as onnxruntime-genai 0.18 calls them.
CROSS_PRESENT = "present_{}_cross_{}"
_IR_VERSION = 10


def build_encoder(
    config: EncoderDecoderConfig, weights: Mapping[str, Weight], *, origin: str = "<weights>", accuracy_level: int = 4
) -> ir.Model:
    """The graph of the encoder.

    Args:
        config: What it is.
        weights: By Hugging Face's names.
        origin: Where they come from, for messages.
        accuracy_level: Of MatMulNBits, where weights are in blocks.

    Returns:
        Input `audio_features` (batch, mels, 2 frames), outputs `hidden_states` (batch, frames, hidden) and, for every
        layer of the decoder, `present_key_cross_0`, `present_value_cross_0`… (batch, heads, frames, head).

    Raises:
        ModelError: A weight is missing or has another shape.
    """
    layers = Layers(
        weights,
        origin,
        hidden=config.hidden,
        intermediate=config.encoder_intermediate,
        heads=config.encoder_heads,
        level=accuracy_level,
    )
    x = _positioned(layers, config)
    for number in range(config.encoder_layers):
        name = f"model.encoder.layers.{number}"
        added, _ = layers.attention(f"{name}.self_attn", layers.norm(f"{name}.self_attn_layer_norm", x))
        x = layers.add(f"{name}.self_attn", x, added)
        x = layers.add(name, x, layers.feed_forward(name, layers.norm(f"{name}.final_layer_norm", x)))
    states = layers.norm("model.encoder.layer_norm", x)
    outputs = [states]
    for number in range(config.decoder_layers):
        across = f"model.decoder.layers.{number}.encoder_attn"
        for kind, value in zip(
            ("key", "value"), layers.keys_and_values(across, states, heads=config.decoder_heads), strict=True
        ):
            value.name = CROSS_PRESENT.format(kind, number)
            outputs.append(value)
    states.name = STATES
    layers.writer.graph.outputs.extend(outputs)
    return ir.Model(layers.writer.graph, ir_version=_IR_VERSION, producer_name="edgec")


def _positioned(layers: Layers, config: EncoderDecoderConfig) -> ir.Value:
    """Two convolutions, the second of which halves the frames, and the positions."""
    writer = layers.writer
    x = writer.input(FEATURES, ir.DataType.FLOAT, ("batch_size", config.mels, 2 * config.frames))
    channels, frames = config.mels, 2 * config.frames
    for number, stride in ((1, 1), (2, 2)):
        name, frames = f"model.encoder.conv{number}", frames // stride
        kernel = layers.array(f"{name}.weight", (config.hidden, channels, 3))
        bias = layers.array(f"{name}.bias", (config.hidden,))
        node, dims = f"/model/encoder/conv{number}", ("batch_size", config.hidden, frames)
        x = writer.write(
            "Conv", [x, kernel, bias], name=f"{node}/Conv", dims=dims, kernel_shape=[3], pads=[1, 1], strides=[stride]
        )
        x, channels = writer.write("Gelu", [x], name=f"{node}/Gelu", dims=dims), config.hidden
    dims = ("batch_size", config.frames, config.hidden)
    x = writer.write("Transpose", [x], name="/model/encoder/Transpose", dims=dims, perm=[0, 2, 1])
    positions = layers.array("model.encoder.embed_positions.weight", (config.frames, config.hidden))
    return writer.write("Add", [x, positions], name="/model/encoder/embed_positions/Add", dims=dims_of(x))
