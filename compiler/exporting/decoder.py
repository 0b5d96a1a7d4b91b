"""What a decoder's bundle says in GGUF's metadata, so that it reads back as the same model.

The graph and `genai_config.json` say all but the base of the rotary frequencies, which the rotary tables hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from ...bundle import Bundle
from ...passes.edit import constant_array
from ..sources.decoder.genai import GENAI_CONFIG
from ..sources.gguf.config import INTERLEAVED

__all__ = ["Rotary", "decoder_metadata", "in_pairs", "rotary_of"]

# onnxruntime-genai's types, by GGUF's architectures.
_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
_NORMS = ("RMSNormalization", "SkipSimplifiedLayerNormalization")
_EXACT = 2e-5


class Rotary:
    """The base of rotary frequencies, and what each is divided by beside it.

    Attributes:
        theta: The base.
        factors: float32, (size / 2,); None where all are 1.
    """

    def __init__(self, theta: float, factors: np.ndarray | None) -> None:
        self.theta = theta
        self.factors = factors


def decoder_metadata(bundle: Bundle, model: ir.Model) -> tuple[dict[str, Any], Rotary] | None:
    """The metadata of a decoder and its rotary frequencies; None of any other model.

    Args:
        bundle: Where it lies.
        model: Its model.
    """
    file = bundle.path / GENAI_CONFIG
    if not file.is_file():
        return None
    said = json.loads(file.read_text(encoding="utf-8"))["model"]
    architecture = _ARCHITECTURES.get(said["type"])
    tables = [constant_array(model.graph.initializers.get(name)) for name in ("cos_cache", "sin_cache")]
    cos, sin = tables
    if architecture is None or cos is None or sin is None:
        return None
    decoder = said["decoder"]
    epsilon = next(node.attributes.get_float("epsilon", 1e-5) for node in model.graph if node.op_type in _NORMS)
    gate = next(node for node in model.graph if node.name == "/model/layers.0/mlp/gate_proj/MatMul")
    middle = None if gate.outputs[0].shape is None else gate.outputs[0].shape[-1]
    if not isinstance(middle, int):
        return None
    rotary = rotary_of(cos, sin)
    size = decoder["head_size"]
    keys = {
        "context_length": said["context_length"],
        "vocab_size": said["vocab_size"],
        "embedding_length": decoder["hidden_size"],
        "block_count": decoder["num_hidden_layers"],
        "feed_forward_length": middle,
        "attention.head_count": decoder["num_attention_heads"],
        "attention.head_count_kv": decoder["num_key_value_heads"],
        "attention.key_length": size,
        "attention.value_length": size,
        "attention.layer_norm_rms_epsilon": float(epsilon),
        "rope.dimension_count": size,
        "rope.freq_base": rotary.theta,
    }
    return {"general.architecture": architecture, **{f"{architecture}.{k}": v for k, v in keys.items()}}, rotary


def rotary_of(cos: np.ndarray, sin: np.ndarray) -> Rotary:
    """What rotary tables are made of: theta^(-2i/d) / factor_i is the angle of position 1."""
    frequencies = np.arctan2(sin[1].astype(np.float64), cos[1].astype(np.float64))
    count = len(frequencies)
    power = np.arange(count) / count
    # The second frequency is not scaled where low ones are (Llama 3); of the last, theta follows most exactly.
    last = frequencies[-1] ** (-1 / power[-1]) if count > 1 else 10000.0
    theta = _round(last)
    if not _follows(frequencies, theta, power):
        theta = _round((frequencies[1] / frequencies[0]) ** (-1 / power[1]))
    factors = theta**-power / frequencies
    return Rotary(theta, None if _follows(frequencies, theta, power) else factors.astype(np.float32))


def in_pairs(metadata: Mapping[str, Any], name: str) -> int:
    """Heads whose rows GGUF has in pairs of neighbours, where Hugging Face has halves; 0 where they stay."""
    architecture = metadata["general.architecture"]
    if architecture not in INTERLEAVED:
        return 0
    if ".q_proj." in name:
        return int(metadata[f"{architecture}.attention.head_count"])
    return int(metadata[f"{architecture}.attention.head_count_kv"]) if ".k_proj." in name else 0


def _round(theta: float) -> float:
    """Bases are round numbers; float32 tables say six digits of them."""
    return float(f"{theta:.5g}")


def _follows(frequencies: np.ndarray, theta: float, power: np.ndarray) -> bool:
    return bool(np.allclose(frequencies, theta**-power, rtol=_EXACT, atol=0))
