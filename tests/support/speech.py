"""Small Whisper checkpoints, and what they answer, computed from the papers' equations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.special import erf

from edgec.compiler.sources.encoder_decoder.config import EncoderDecoderConfig

from .checkpoints import write_safetensors

__all__ = ["logits", "small_config", "small_weights", "states", "write_whisper"]

Weights = Mapping[str, np.ndarray]


def small_config(**changed: object) -> EncoderDecoderConfig:
    """Other numbers of layers, heads and widths on either side, so that none can be taken for another."""
    values: dict[str, object] = {
        "mels": 6, "frames": 10, "context": 24, "vocabulary": 37, "hidden": 24, "encoder_layers": 2,
        "decoder_layers": 3, "encoder_heads": 4, "decoder_heads": 3, "encoder_intermediate": 40,
        "decoder_intermediate": 56, "bos": 1, "pad": 0, "start": 3, "eos": (2,),
    }  # fmt: skip
    return EncoderDecoderConfig(**(values | changed))  # type: ignore[arg-type]


def small_weights(config: EncoderDecoderConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights by the names of transformers."""
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}

    def add(name: str, *shape: int, around: float = 0.0) -> None:
        made[name] = (around + rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    def norm(name: str) -> None:
        add(f"{name}.weight", config.hidden, around=1.0)
        add(f"{name}.bias", config.hidden)

    def attention(name: str) -> None:
        for each in ("q_proj", "k_proj", "v_proj", "out_proj"):
            add(f"{name}.{each}.weight", config.hidden, config.hidden)
            if each != "k_proj":
                add(f"{name}.{each}.bias", config.hidden)

    add("model.encoder.conv1.weight", config.hidden, config.mels, 3)
    add("model.encoder.conv2.weight", config.hidden, config.hidden, 3)
    for each in ("conv1", "conv2"):
        add(f"model.encoder.{each}.bias", config.hidden)
    add("model.encoder.embed_positions.weight", config.frames, config.hidden)
    add("model.decoder.embed_positions.weight", config.context, config.hidden)
    add("model.decoder.embed_tokens.weight", config.vocabulary, config.hidden)
    for side, layers, wide in (
        ("encoder", config.encoder_layers, config.encoder_intermediate),
        ("decoder", config.decoder_layers, config.decoder_intermediate),
    ):
        norm(f"model.{side}.layer_norm")
        for number in range(layers):
            name = f"model.{side}.layers.{number}"
            for each in ("self_attn", *(("encoder_attn",) if side == "decoder" else ())):
                attention(f"{name}.{each}")
                norm(f"{name}.{each}_layer_norm")
            norm(f"{name}.final_layer_norm")
            for each, rows, columns in (("fc1", wide, config.hidden), ("fc2", config.hidden, wide)):
                add(f"{name}.{each}.weight", rows, columns)
                add(f"{name}.{each}.bias", rows)
    return made


def write_whisper(folder: Path, config: EncoderDecoderConfig, weights: Weights, **changed: object) -> Path:
    """A checkpoint folder; `changed` replaces keys of its `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    said: dict[str, object] = {
        "model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "num_mel_bins": config.mels,
        "max_source_positions": config.frames, "max_target_positions": config.context,
        "vocab_size": config.vocabulary, "d_model": config.hidden, "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers, "encoder_attention_heads": config.encoder_heads,
        "decoder_attention_heads": config.decoder_heads, "encoder_ffn_dim": config.encoder_intermediate,
        "decoder_ffn_dim": config.decoder_intermediate, "scale_embedding": config.scaled,
        "activation_function": "gelu", "bos_token_id": config.bos, "eos_token_id": config.eos[0],
        "pad_token_id": config.pad, "decoder_start_token_id": config.start,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said | changed))
    write_safetensors(folder / "model.safetensors", weights)
    return folder


def states(config: EncoderDecoderConfig, w: Weights, features: np.ndarray) -> np.ndarray:
    """What the encoder makes of one recording: (mels, 2 frames) → (frames, hidden)."""
    x = features.astype(np.float64)
    for name, stride in (("conv1", 1), ("conv2", 2)):
        kernel, padded = w[f"model.encoder.{name}.weight"], np.pad(x, ((0, 0), (1, 1)))
        columns = [
            np.einsum("oik,ik->o", kernel, padded[:, at : at + 3]) for at in range(0, padded.shape[1] - 2, stride)
        ]
        x = _gelu(np.stack(columns, 1) + w[f"model.encoder.{name}.bias"][:, None])
    x = x.T + w["model.encoder.embed_positions.weight"]
    for number in range(config.encoder_layers):
        name = f"model.encoder.layers.{number}"
        n = _norm(w, f"{name}.self_attn_layer_norm", x)
        x = x + _attention(w, f"{name}.self_attn", n, n, config.encoder_heads, causal=False)
        x = x + _feed_forward(w, name, x)
    return _norm(w, "model.encoder.layer_norm", x)


def logits(config: EncoderDecoderConfig, w: Weights, heard: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """What the decoder says after every token: (frames, hidden), (tokens,) → (tokens, vocabulary)."""
    table = w["model.decoder.embed_tokens.weight"]
    x = table[tokens] * (config.hidden**0.5 if config.scaled else 1)
    x = x + w["model.decoder.embed_positions.weight"][: len(tokens)]
    for number in range(config.decoder_layers):
        name = f"model.decoder.layers.{number}"
        n = _norm(w, f"{name}.self_attn_layer_norm", x)
        x = x + _attention(w, f"{name}.self_attn", n, n, config.decoder_heads, causal=True)
        n = _norm(w, f"{name}.encoder_attn_layer_norm", x)
        x = x + _attention(w, f"{name}.encoder_attn", n, heard, config.decoder_heads, causal=False)
        x = x + _feed_forward(w, name, x)
    return _norm(w, "model.decoder.layer_norm", x) @ table.T


def _norm(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + erf(x / 2**0.5)) / 2


def _feed_forward(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    n = _norm(w, f"{name}.final_layer_norm", x)
    wide = _gelu(n @ w[f"{name}.fc1.weight"].T + w[f"{name}.fc1.bias"])
    return wide @ w[f"{name}.fc2.weight"].T + w[f"{name}.fc2.bias"]


def _attention(w: Weights, name: str, x: np.ndarray, of: np.ndarray, heads: int, *, causal: bool) -> np.ndarray:
    q = x @ w[f"{name}.q_proj.weight"].T + w[f"{name}.q_proj.bias"]
    k, v = of @ w[f"{name}.k_proj.weight"].T, of @ w[f"{name}.v_proj.weight"].T + w[f"{name}.v_proj.bias"]
    size = q.shape[1] // heads
    parts = []
    for head in range(heads):
        cut = slice(head * size, (head + 1) * size)
        scores = q[:, cut] @ k[:, cut].T / size**0.5
        if causal:
            scores = np.where(np.tri(*scores.shape, dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        parts.append(shares / shares.sum(-1, keepdims=True) @ v[:, cut])
    return np.concatenate(parts, 1) @ w[f"{name}.out_proj.weight"].T + w[f"{name}.out_proj.bias"]
