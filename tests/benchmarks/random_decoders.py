"""Decoders of random weights in blocks, as large as is wanted: no float model is made, nothing is rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgec.compiler.sources.decoder import DecoderConfig, build
from edgec.compiler.sources.decoder.genai import GENAI_CONFIG, genai_config
from edgec.passes.base import Pass
from edgec.passes.fuse.pack_gates import PackGates
from edgec.passes.fuse.pack_queries import PackQueries
from edgec.passes.normalize.remove_unused import RemoveUnused
from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.choose_once import ChooseOnce
from edgec.passes.weight_only.long_inputs import LongInputs

__all__ = ["SHAPES", "RandomWeights", "bytes_per_token", "passes", "write_gguf", "write_onnx"]

_LLAMA = {"vocabulary": 32000, "head_size": 64, "context": 2048, "bos": 1, "eos": (2,)}
SHAPES: dict[str, DecoderConfig] = {
    "tiny": DecoderConfig(hidden=256, intermediate=512, layers=2, heads=4, kv_heads=4, **_LLAMA),  # type: ignore[arg-type]
    "125m": DecoderConfig(hidden=768, intermediate=2048, layers=12, heads=12, kv_heads=12, **_LLAMA),  # type: ignore[arg-type]
    "1.1b": DecoderConfig(hidden=2048, intermediate=5632, layers=22, heads=32, kv_heads=4, **_LLAMA),  # type: ignore[arg-type]
}


class RandomWeights(Mapping[str, "np.ndarray | Blocks"]):
    """Weights by name, made when they are asked for, the same each time.

    Args:
        config: The decoder.
        form: Of the matrices.
        float_table: The embedding stays float, as other tools leave it.
    """

    def __init__(self, config: DecoderConfig, form: BlockForm, *, float_table: bool = False) -> None:
        self._form = form
        self._float = {"model.embed_tokens.weight"} if float_table else set()
        hidden, middle = config.hidden, config.intermediate
        heads, kv = config.heads * config.head_size, config.kv_heads * config.head_size
        self.shapes: dict[str, tuple[int, ...]] = {
            "model.embed_tokens.weight": (config.vocabulary, hidden),
            "lm_head.weight": (config.vocabulary, hidden),
            "model.norm.weight": (hidden,),
        }
        each = {
            "self_attn.q_proj": (heads, hidden), "self_attn.k_proj": (kv, hidden), "self_attn.v_proj": (kv, hidden),
            "self_attn.o_proj": (hidden, heads), "mlp.gate_proj": (middle, hidden), "mlp.up_proj": (middle, hidden),
            "mlp.down_proj": (hidden, middle), "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
        }  # fmt: skip
        for layer in range(config.layers):
            self.shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in each.items()}

    def __getitem__(self, name: str) -> np.ndarray | Blocks:
        shape = self.shapes[name]
        if len(shape) == 1:
            return np.ones(shape, np.float32)
        draw = np.random.default_rng(list(name.encode()))
        if name in self._float:
            return draw.standard_normal(shape, np.float32)
        rows, columns = shape
        codes = draw.integers(0, self._form.largest + 1, shape, np.uint8)
        # Uniform codes have a deviation of 2^bits / √12: products of about unit variance.
        step = np.sqrt(12 / columns) / (self._form.largest + 1)
        scale = np.full((rows, self._form.blocks_of(columns)), step, np.float32)
        return Blocks(form=self._form, codes=codes, scale=scale)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def matrices(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all matrices but the embedding."""
        return {name: shape for name, shape in self.shapes.items() if len(shape) == 2 and "embed_tokens" not in name}


def passes(*, long_inputs: bool = False) -> tuple[Pass, ...]:
    """What a processor's recipe does to a decoder in blocks (a test compares)."""
    long: tuple[Pass, ...] = (LongInputs(),) if long_inputs else ()
    once: tuple[Pass, ...] = (ChooseOnce(),) if long_inputs else ()
    return (PackQueries(), PackGates(), *long, RemoveUnused(), *once)


def write_onnx(folder: Path, config: DecoderConfig, weights: RandomWeights, done: Sequence[Pass]) -> Path:
    """The model and its `genai_config.json`; the folder.

    Args:
        folder: Where it is written.
        config: The decoder.
        weights: Its weights.
        done: Passes.
    """
    import onnx_ir as ir

    folder.mkdir(parents=True, exist_ok=True)
    model = build(config, weights)
    for each in done:
        each(model)
    ir.save(model, folder / "model.onnx", external_data="model.onnx.data")
    (folder / GENAI_CONFIG).write_bytes(genai_config(config))
    return folder


def write_gguf(file: Path, config: DecoderConfig) -> Path:
    """The same shapes as GGUF in Q4_0, random bytes with scales of one size; the file."""
    import gguf

    kind = gguf.GGMLQuantizationType.Q4_0
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.hidden)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.intermediate)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.epsilon)
    writer.add_rope_dimension_count(config.head_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += [f"w{index}" for index in range(len(words), config.vocabulary)]
    kinds = [2, 3, 3, *[6] * 256, *[1] * (config.vocabulary - 259)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * config.vocabulary)
    writer.add_token_types(kinds)
    draw = np.random.default_rng(0)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for name, shape in RandomWeights(config, BlockForm(bits=4, size=32)).shapes.items():
        parts = name.split(".")
        if parts[1] == "layers":
            called = f"blk.{parts[2]}.{names['.'.join(parts[3:-1])]}.weight"
        else:
            called = {"embed_tokens": "token_embd", "norm": "output_norm"}.get(parts[1], "output") + ".weight"
        if len(shape) == 1:
            writer.add_tensor(called, np.ones(shape, np.float32))
            continue
        raw = draw.integers(0, 256, (shape[0], shape[1] // 32, 18), np.uint8)
        raw[..., :2] = np.frombuffer(np.float16(np.sqrt(12 / shape[1]) / 16).tobytes(), np.uint8)
        writer.add_tensor(called, raw.reshape(shape[0], -1), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def bytes_per_token(weights: RandomWeights, form: BlockForm) -> int:
    """Bytes of weights that one token reads: all matrices but the embedding, codes and scales."""
    codes = sum(rows * columns for rows, columns in weights.matrices.values())
    scales = sum(rows * form.blocks_of(columns) for rows, columns in weights.matrices.values())
    return codes * form.bits // 8 + 4 * scales
