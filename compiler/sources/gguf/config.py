"""From GGUF's metadata to a decoder's configuration.

Keys: gguf-py, constants.py; what they mean: llama.cpp, llama-model.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....errors import ModelError
from ..decoder.config import DecoderConfig, Rope
from .read import GgufFile

__all__ = ["INTERLEAVED", "decoder_config"]

# Mistral and the others that share llama's graph call themselves llama.
_ARCHITECTURES = ("llama", "qwen2", "qwen3")
# Whose queries and keys are stored for rotary pairs that are neighbours (llama-model.cpp, llama_model_rope_type).
INTERLEAVED = ("llama",)
_ORIGINAL = "Export the model to ONNX from its original checkpoint"
_AGAIN = "Convert the model to GGUF again"
# What changes the graph, and the value that changes nothing.
_ELSEWHERE: dict[str, Any] = {
    "expert_count": 0,
    "logit_scale": 1.0,
    "residual_scale": 1.0,
    "embedding_scale": 1.0,
    "attn_logit_softcapping": 0.0,
    "final_logit_softcapping": 0.0,
    "attention.clamp_kqv": 0.0,
    "attention.max_alibi_bias": 0.0,
    "attention.causal": True,
    "pooling_type": 0,
    "rope.scale_linear": 1.0,
}
_CLOSE = 1e-6
_FACTORS = "rope_freqs.weight"


def decoder_config(file: GgufFile) -> DecoderConfig:
    """The configuration of a language model.

    Raises:
        ModelError: It is of another architecture, a variant with another graph, or its metadata are incomplete.
    """
    said, origin = file.metadata, file.origin
    kind = said.get("general.type", "model")
    if kind != "model":
        raise ModelError(origin, f"holds no model: its general.type is {kind!r}", remedy="Give the model's file")
    architecture = said.get("general.architecture")
    if architecture not in _ARCHITECTURES:
        raise ModelError(
            origin,
            f"is of architecture {architecture!r}; built are {', '.join(_ARCHITECTURES)}",
            remedy=_ORIGINAL,
        )
    read = _Reader(said, str(architecture), origin)
    for key, harmless in _ELSEWHERE.items():
        value = read.any(key, harmless)
        if value != harmless:
            raise ModelError(
                origin, f"says {architecture}.{key} = {value}, which this graph has no place for", remedy=_ORIGINAL
            )
    tensors, heads, hidden = file.tensors, read.whole("attention.head_count"), read.whole("embedding_length")
    size = read.whole("attention.key_length", hidden // max(heads, 1))
    for key in ("attention.value_length", "rope.dimension_count"):
        if read.whole(key, size) != size:
            raise ModelError(
                origin, f"says {architecture}.{key} = {read.whole(key)} where heads have {size}", remedy=_ORIGINAL
            )
    scale = read.number("attention.scale", size**-0.5)
    if abs(scale * size**0.5 - 1) > _CLOSE:
        raise ModelError(
            origin, f"says {architecture}.attention.scale = {scale:g} where heads have {size}", remedy=_ORIGINAL
        )
    table = tensors.get("token_embd.weight")
    first = "blk.0."
    try:
        return DecoderConfig(
            architecture=str(architecture),
            vocabulary=table.shape[0] if table is not None else read.whole("vocab_size"),
            hidden=hidden,
            intermediate=read.whole("feed_forward_length"),
            layers=read.whole("block_count"),
            heads=heads,
            kv_heads=read.whole("attention.head_count_kv", heads),
            head_size=size,
            context=read.whole("context_length"),
            epsilon=read.number("attention.layer_norm_rms_epsilon", 1e-5),
            rope=_rope(read, file),
            window=read.whole("attention.sliding_window", 0),
            tied="output.weight" not in tensors,
            qkv_bias=f"{first}attn_q.bias" in tensors,
            output_bias=f"{first}attn_output.bias" in tensors,
            mlp_bias=f"{first}ffn_gate.bias" in tensors,
            qk_norm=architecture == "qwen3",
            bos=_token(said, "bos"),
            eos=tuple(
                dict.fromkeys(each for name in ("eos", "eot", "eom") if (each := _token(said, name)) is not None)
            ),
            pad=_token(said, "padding"),
        )
    except ValueError as error:
        raise ModelError(origin, f"describes no decoder that runs: {error}", remedy=_AGAIN) from error


def _rope(read: _Reader, file: GgufFile) -> Rope:
    """Base and scaling; the factors of Llama 3 are a tensor."""
    kind = str(read.any("rope.scaling.type", "none"))
    factor = read.number("rope.scaling.factor", 1.0)
    if kind not in ("none", "linear"):
        raise ModelError(file.origin, f"scales rotary positions by {kind!r}; built are none, linear", remedy=_ORIGINAL)
    scaled = file.tensors.get(_FACTORS)
    factors = () if scaled is None else tuple(float(each) for each in scaled.floats().astype(np.float64).reshape(-1))
    return Rope(
        theta=read.number("rope.freq_base", 10000.0),
        scaling="linear" if kind == "linear" else "default",
        factor=factor if kind == "linear" else 1.0,
        factors=factors,
    )


def _token(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(f"tokenizer.ggml.{name}_token_id")
    return value if isinstance(value, int) and value >= 0 else None


def _ends(said: Mapping[str, Any]) -> tuple[int, ...]:
    """Tokens that end an answer: a text, a turn, a message."""
    found = [_token(said, name) for name in ("eos", "eot", "eom")]
    return tuple(dict.fromkeys(each for each in found if each is not None))


class _Reader:
    """Reads the values of an architecture, of the kind that is needed."""

    def __init__(self, said: Mapping[str, Any], architecture: str, origin: str) -> None:
        self._said = said
        self._prefix = architecture
        self._origin = origin

    def any(self, key: str, default: object) -> object:
        return self._said.get(f"{self._prefix}.{key}", default)

    def whole(self, key: str, default: int | None = None) -> int:
        value = self.any(key, default)
        if isinstance(value, list) and value and all(each == value[0] for each in value):
            value = value[0]
        if isinstance(value, list):
            raise self._wrong(f"{key} differs from layer to layer", _ORIGINAL)
        if value is None:
            raise self._wrong(f"{key} is missing", _AGAIN)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(f"{key}: {value!r} is no whole number", _AGAIN)
        return value

    def number(self, key: str, default: float) -> float:
        value = self.any(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(f"{key}: {value!r} is no number", _AGAIN)
        return float(value)

    def _wrong(self, problem: str, remedy: str) -> ModelError:
        return ModelError(f"{self._origin}, metadata", f"{self._prefix}.{problem}", remedy=remedy)
