"""The graph of a decoder, called as onnxruntime-genai calls it.

    x = E[ids];  per layer: x += O attention(norm(x)),  x += D (silu(G n) * U n) with n = norm(x);  logits = H norm(x)

H. Touvron et al., "LLaMA" (2023, arXiv 2302.13971), section 2. Every layer is 9 nodes: three products, one
GroupQueryAttention that rotates, writes the cache and attends, and the residual sums inside the norms
(SkipSimplifiedLayerNormalization). The cache is (batch, kv_heads, tokens, head_size); where past and present are the
same memory, as long as the context, it is written in place (ONNX Runtime 1.31.1, contrib operator documentation).

Names are those of the checkpoint: node `/model/layers.0/self_attn/q_proj/MatMul`, initializer
`model.layers.0.self_attn.q_proj.weight`; the float one is stored transposed, (in, out).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from .config import DecoderConfig
from .mask import Mask, write_mask
from .matrices import Matrix, Weight, matrix_of, vector_of
from .writer import Writer

__all__ = ["OPSET", "build", "past_name", "present_name"]

# The first with RMSNormalization.
OPSET = 23
_IR_VERSION = 10
_INT8_LEVEL = 4


def past_name(layer: int, what: str) -> str:
    """The input that brings the `key` or `value` cache of a layer."""
    return f"past_key_values.{layer}.{what}"


def present_name(layer: int, what: str) -> str:
    """The output that carries it on."""
    return f"present.{layer}.{what}"


def build(
    config: DecoderConfig,
    weights: Mapping[str, Weight],
    *,
    origin: str = "<weights>",
    accuracy_level: int = _INT8_LEVEL,
) -> ir.Model:
    """The model of a decoder.

    Args:
        config: What it is.
        weights: By Hugging Face's names, (out, in): float arrays of any width, blocks, or matrices that write
            themselves. Asked for again whenever they are read; nothing is kept but norms and biases.
        origin: Where the weights come from, for messages.
        accuracy_level: Of MatMulNBits: 4 rounds what blocks multiply to 8 bits, 1 does not.

    Returns:
        Inputs `input_ids`, `attention_mask`, `past_key_values.0.key`…, outputs `logits`, `present.0.key`….

    Raises:
        ModelError: A weight is missing, has another shape, or is in blocks that no kernel multiplies.
    """
    return _Builder(config, weights, origin, accuracy_level).model()


class _Builder:
    def __init__(self, config: DecoderConfig, weights: Mapping[str, Weight], origin: str, level: int) -> None:
        self._config = config
        self._weights = weights
        self._origin = origin
        self._level = level
        self._writer = Writer("main_graph", OPSET)
        self._presents: list[ir.Value] = []

    def model(self) -> ir.Model:
        config, writer = self._config, self._writer
        tokens = ("batch_size", "sequence_length")
        ids = writer.input("input_ids", ir.DataType.INT64, tokens)
        given = writer.input("attention_mask", ir.DataType.INT64, ("batch_size", "total_sequence_length"))
        mask = write_mask(writer, config, ids, given)
        table = self._matrix("model.embed_tokens", config.vocabulary, config.hidden)
        stream, branch = table.look_up(writer, ids, "/model/embed_tokens"), None
        for layer in range(config.layers):
            prefix = f"model.layers.{layer}"
            stream, normed = self._norm(f"{prefix}.input_layernorm", stream, branch)
            branch = self._attention(f"{prefix}.self_attn", normed, mask, layer)
            stream, normed = self._norm(f"{prefix}.post_attention_layernorm", stream, branch)
            branch = self._mlp(f"{prefix}.mlp", normed)
        _, normed = self._norm("model.norm", stream, branch)
        head = table if config.tied else self._matrix("lm_head", config.vocabulary, config.hidden)
        logits = head.multiply(writer, normed, "/lm_head", None)
        logits.name = "logits"
        writer.graph.outputs.extend([logits, *self._presents])
        return ir.Model(writer.graph, ir_version=_IR_VERSION, producer_name="edgec")

    def _norm(self, name: str, stream: ir.Value, branch: ir.Value | None) -> tuple[ir.Value, ir.Value]:
        """The residual stream with a branch added, and its RMS norm."""
        gamma = vector_of(self._writer, self._weights, f"{name}.weight", self._config.hidden, self._origin)
        node, dims = _node(name), ("batch_size", "sequence_length", self._config.hidden)
        epsilon, kind = self._config.epsilon, ir.DataType.FLOAT
        if branch is None:
            normed = self._writer.write(
                "RMSNormalization",
                [stream, gamma],
                name=f"{node}/RMSNormalization",
                dims=dims,
                axis=-1,
                epsilon=epsilon,
            )
            return stream, normed
        full = f"{node}/SkipSimplifiedLayerNormalization"
        last = name == "model.norm"
        outputs = [(f"{full}/output_0", kind, dims), *(() if last else (None, None, (f"{full}/output_3", kind, dims)))]
        inputs = [stream, branch, gamma]
        made = self._writer.contrib(
            "SkipSimplifiedLayerNormalization", inputs, name=full, outputs=outputs, epsilon=epsilon
        )
        return made[-1], made[0]

    def _attention(self, name: str, x: ir.Value, mask: Mask, layer: int) -> ir.Value:
        config, writer = self._config, self._writer
        query = self._product(f"{name}.q_proj", x, config.heads * config.head_size, config.qkv_bias)
        key = self._product(f"{name}.k_proj", x, config.kv_heads * config.head_size, config.qkv_bias)
        value = self._product(f"{name}.v_proj", x, config.kv_heads * config.head_size, config.qkv_bias)
        if config.qk_norm:
            query = self._head_norm(f"{name}.q_norm", query, config.heads)
            key = self._head_norm(f"{name}.k_norm", key, config.kv_heads)
        if mask.positions is not None:
            query = self._turned(f"{name}.q_proj", query, config.heads, mask, mask.positions)
            key = self._turned(f"{name}.k_proj", key, config.kv_heads, mask, mask.positions)
        kind, size = ir.DataType.FLOAT, config.head_size
        past = [
            writer.input(past_name(layer, what), kind, ("batch_size", config.kv_heads, "past_sequence_length", size))
            for what in ("key", "value")
        ]
        rotary = [mask.cos, mask.sin] if mask.positions is None else []
        node = f"{_node(name)}/GroupQueryAttention"
        cache = ("batch_size", config.kv_heads, "total_sequence_length", size)
        made = writer.contrib(
            "GroupQueryAttention",
            [query, key, value, *past, mask.lengths, mask.total, *rotary],
            name=node,
            outputs=[
                (f"{node}/output_0", kind, ("batch_size", "sequence_length", config.heads * size)),
                (present_name(layer, "key"), kind, cache),
                (present_name(layer, "value"), kind, cache),
            ],
            num_heads=config.heads,
            kv_num_heads=config.kv_heads,
            do_rotary=int(bool(rotary)),
            rotary_interleaved=int(bool(rotary) and config.rope.interleaved),
            local_window_size=config.window or -1,
            scale=config.head_size**-0.5,
        )
        self._presents += made[1:]
        return self._product(f"{name}.o_proj", made[0], config.hidden, config.output_bias)

    def _turned(self, name: str, x: ir.Value, heads: int, mask: Mask, positions: ir.Value) -> ir.Value:
        """Queries or keys turned by their positions."""
        return self._writer.write(
            "RotaryEmbedding",
            [x, mask.cos, mask.sin, positions],
            name=f"{_node(name)}/RotaryEmbedding",
            dims=("batch_size", "sequence_length", heads * self._config.head_size),
            num_heads=heads,
            interleaved=int(self._config.rope.interleaved),
        )

    def _head_norm(self, name: str, x: ir.Value, heads: int) -> ir.Value:
        """The RMS norm of every head."""
        config, writer, node = self._config, self._writer, _node(name)
        gamma = vector_of(writer, self._weights, f"{name}.weight", config.head_size, self._origin)
        split, joined = (0, 0, heads, config.head_size), (0, 0, heads * config.head_size)
        tokens = ("batch_size", "sequence_length")
        shapes = [
            writer.constant(f"{heads}_heads_{what}", np.asarray(shape, np.int64))
            for what, shape in (("split", split), ("joined", joined))
        ]
        dims = (*tokens, heads, config.head_size)
        x = writer.write("Reshape", [x, shapes[0]], name=f"{node}/Reshape", dims=dims)
        x = writer.write(
            "RMSNormalization", [x, gamma], name=f"{node}/RMSNormalization", dims=dims, axis=-1, epsilon=config.epsilon
        )
        return writer.write("Reshape", [x, shapes[1]], name=f"{node}/Reshape_1", dims=(*tokens, joined[-1]))

    def _mlp(self, name: str, x: ir.Value) -> ir.Value:
        config, writer, node = self._config, self._writer, _node(name)
        dims = ("batch_size", "sequence_length", config.intermediate)
        gate = self._product(f"{name}.gate_proj", x, config.intermediate, config.mlp_bias)
        up = self._product(f"{name}.up_proj", x, config.intermediate, config.mlp_bias)
        sigmoid = writer.write("Sigmoid", [gate], name=f"{node}/act_fn/Sigmoid", dims=dims)
        silu = writer.write("Mul", [gate, sigmoid], name=f"{node}/act_fn/Mul", dims=dims)
        gated = writer.write("Mul", [silu, up], name=f"{node}/Mul", dims=dims)
        return self._product(f"{name}.down_proj", gated, config.hidden, config.mlp_bias)

    def _product(self, name: str, x: ir.Value, outputs: int, biased: bool) -> ir.Value:
        assert x.shape is not None
        inputs = x.shape[-1]
        assert isinstance(inputs, int)
        bias = vector_of(self._writer, self._weights, f"{name}.bias", outputs, self._origin) if biased else None
        return self._matrix(name, outputs, inputs).multiply(self._writer, x, _node(name), bias)

    def _matrix(self, name: str, outputs: int, inputs: int) -> Matrix:
        return matrix_of(self._weights, f"{name}.weight", (outputs, inputs), self._origin, self._level)


def _node(name: str) -> str:
    """`model.layers.0.self_attn` → `/model/layers.0/self_attn`."""
    return "/" + name.replace(".", "/").replace("layers/", "layers.")
