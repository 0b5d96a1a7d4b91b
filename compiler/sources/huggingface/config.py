"""From a `config.json` to a decoder's configuration, defaults and names as transformers 4.57 and 5 have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....errors import ModelError
from ..decoder.config import ARCHITECTURES, DecoderConfig, Rope
from .reading import ConfigReader, token_ids

__all__ = ["decoder_config"]

_EXPORT = "Export it to ONNX with the code that defines it, and give the .onnx file"
_ORIGINAL = "Give the checkpoint it was quantized from: --scheme says how small it becomes"


def decoder_config(said: Mapping[str, Any], generation: Mapping[str, Any], where: str) -> DecoderConfig:
    """The configuration of a checkpoint.

    Args:
        said: Its `config.json`.
        generation: Its `generation_config.json`; empty where there is none.
        where: How messages call `config.json`.

    Raises:
        ModelError: It is no decoder that can be built, or is incomplete.
    """
    architecture = _known(said, where)
    read = ConfigReader(said, where)
    heads, hidden = read.whole("num_attention_heads"), read.whole("hidden_size")
    qwen = architecture in ("qwen2", "qwen3")
    biased = read.switch("attention_bias", False) if architecture in ("llama", "qwen3") else False
    tokens = {**said, **{name: value for name, value in generation.items() if value is not None}}
    try:
        return DecoderConfig(
            architecture=architecture,
            vocabulary=read.whole("vocab_size"),
            hidden=hidden,
            intermediate=read.whole("intermediate_size"),
            layers=read.whole("num_hidden_layers"),
            heads=heads,
            kv_heads=read.whole("num_key_value_heads", heads),
            head_size=read.whole("head_dim", 128 if architecture == "qwen3" else hidden // max(heads, 1)),
            context=read.whole("max_position_embeddings"),
            epsilon=read.number("rms_norm_eps", 1e-6),
            rope=_rope(said, where),
            window=0 if qwen or architecture == "llama" else read.whole("sliding_window", 0),
            tied=read.switch("tie_word_embeddings", False),
            qkv_bias=True if architecture == "qwen2" else biased,
            output_bias=biased,
            mlp_bias=read.switch("mlp_bias", False) if architecture == "llama" else False,
            qk_norm=architecture == "qwen3",
            bos=next(iter(token_ids(tokens, "bos_token_id", where)), None),
            eos=token_ids(tokens, "eos_token_id", where),
            pad=next(iter(token_ids(tokens, "pad_token_id", where)), None),
        )
    except ValueError as error:
        raise ModelError(where, f"describes no decoder that runs: {error}", remedy=_EXPORT) from error


def _known(said: Mapping[str, Any], where: str) -> str:
    """The architecture, where it is one that can be built as it is."""
    kind = said.get("model_type")
    if kind not in ARCHITECTURES:
        raise ModelError(
            where,
            f"is a model of type {kind!r}; built are {', '.join(ARCHITECTURES)}",
            remedy=_EXPORT,
        )
    classes = said.get("architectures") or ()
    if classes and not any(str(each).endswith("ForCausalLM") for each in classes):
        raise ModelError(where, f"is a {classes[0]}, which is no language model with a head", remedy=_EXPORT)
    quantized = said.get("quantization_config")
    if quantized:
        method = quantized.get("quant_method", "unknown") if isinstance(quantized, Mapping) else "unknown"
        raise ModelError(where, f"says that the weights are quantized already ({method})", remedy=_ORIGINAL)
    activation = said.get("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise ModelError(where, f"has the activation {activation!r}; built is silu", remedy=_EXPORT)
    if said.get("use_sliding_window"):
        raise ModelError(where, "has windows in some of its layers (use_sliding_window)", remedy=_EXPORT)
    return str(kind)


def _rope(said: Mapping[str, Any], where: str) -> Rope:
    """`rope_parameters` of transformers 5, else `rope_theta` and `rope_scaling`."""
    scaling = said.get("rope_parameters") or said.get("rope_scaling") or {}
    read = ConfigReader({"rope_theta": said.get("rope_theta"), **scaling}, where)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    share = scaling.get("partial_rotary_factor", said.get("partial_rotary_factor"))
    if share not in (None, 1, 1.0):
        raise ModelError(where, f"turns a part of every head only (partial_rotary_factor {share})", remedy=_EXPORT)
    try:
        return Rope(
            theta=read.number("rope_theta", 10000.0),
            scaling=kind,
            factor=read.number("factor", 1.0),
            low_frequency=read.number("low_freq_factor", 1.0),
            high_frequency=read.number("high_freq_factor", 4.0),
            trained_context=read.whole("original_max_position_embeddings", 8192),
        )
    except ValueError as error:
        raise ModelError(where, f"has rotary positions that cannot be built: {error}", remedy=_EXPORT) from error
