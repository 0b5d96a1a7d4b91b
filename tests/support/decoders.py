"""Decoders by their equations, in float64: written from the papers, not from the graph they check.

LLaMA (arXiv 2302.13971), section 2; RoFormer (arXiv 2104.09864), eq. 34; grouped queries (arXiv 2305.13245); the
names of the weights are those of Hugging Face checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.compiler.sources.decoder import DecoderConfig
from edgec.passes.weight_only.blocks import BlockForm, Blocks

__all__ = ["feeds_of", "in_blocks", "reference_logits", "tiny_config", "tiny_weights"]


def tiny_config(**changed: object) -> DecoderConfig:
    """A decoder small enough to check by hand, with every width different."""
    values: dict[str, object] = {
        "vocabulary": 61,
        "hidden": 48,
        "intermediate": 80,
        "layers": 2,
        "heads": 6,
        "kv_heads": 2,
        "head_size": 16,
        "context": 40,
    }
    return DecoderConfig(**{**values, **changed})  # type: ignore[arg-type]


def tiny_weights(config: DecoderConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of a decoder, float32, products of about unit variance."""
    draw = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (draw.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    def vector(size: int, mean: float) -> np.ndarray:
        return (mean + 0.2 * draw.standard_normal(size)).astype(np.float32)

    hidden, middle, size = config.hidden, config.intermediate, config.head_size
    made = {
        "model.embed_tokens.weight": draw.standard_normal((config.vocabulary, hidden)).astype(np.float32),
        "model.norm.weight": vector(hidden, 1.0),
    }
    if not config.tied:
        made["lm_head.weight"] = matrix(config.vocabulary, hidden)
    shapes = {
        "self_attn.q_proj": (config.heads * size, hidden, config.qkv_bias),
        "self_attn.k_proj": (config.kv_heads * size, hidden, config.qkv_bias),
        "self_attn.v_proj": (config.kv_heads * size, hidden, config.qkv_bias),
        "self_attn.o_proj": (hidden, config.heads * size, config.output_bias),
        "mlp.gate_proj": (middle, hidden, config.mlp_bias),
        "mlp.up_proj": (middle, hidden, config.mlp_bias),
        "mlp.down_proj": (hidden, middle, config.mlp_bias),
    }
    for layer in range(config.layers):
        prefix = f"model.layers.{layer}"
        for name, (rows, columns, biased) in shapes.items():
            made[f"{prefix}.{name}.weight"] = matrix(rows, columns)
            if biased:
                made[f"{prefix}.{name}.bias"] = vector(rows, 0.0)
        for name in ("input_layernorm", "post_attention_layernorm"):
            made[f"{prefix}.{name}.weight"] = vector(hidden, 1.0)
        if config.qk_norm:
            for name in ("q_norm", "k_norm"):
                made[f"{prefix}.self_attn.{name}.weight"] = vector(size, 1.0)
    return made


def reference_logits(config: DecoderConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray) -> np.ndarray:
    """Logits of every position of one row of tokens, (T, vocabulary), float64; no cache, no graph."""
    w = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    x = w["model.embed_tokens.weight"][ids]
    for layer in range(config.layers):
        x = x + _attention(config, w, f"model.layers.{layer}", x)
        x = x + _feed_forward(config, w, f"model.layers.{layer}", x)
    x = _rms(x, w["model.norm.weight"], config.epsilon)
    return x @ w["model.embed_tokens.weight" if config.tied else "lm_head.weight"].T


def _attention(config: DecoderConfig, w: Mapping[str, np.ndarray], prefix: str, x: np.ndarray) -> np.ndarray:
    n = _rms(x, w[f"{prefix}.input_layernorm.weight"], config.epsilon)
    tokens, d = len(x), config.head_size
    q = _linear(w, f"{prefix}.self_attn.q_proj", n).reshape(tokens, config.heads, d)
    k = _linear(w, f"{prefix}.self_attn.k_proj", n).reshape(tokens, config.kv_heads, d)
    v = _linear(w, f"{prefix}.self_attn.v_proj", n).reshape(tokens, config.kv_heads, d)
    if config.qk_norm:
        q = _rms(q, w[f"{prefix}.self_attn.q_norm.weight"], config.epsilon)
        k = _rms(k, w[f"{prefix}.self_attn.k_norm.weight"], config.epsilon)
    answers = []
    for head in range(config.heads):
        shared = head // (config.heads // config.kv_heads)
        queries, keys = _rotate(config, q[:, head]), _rotate(config, k[:, shared])
        scores = queries @ keys.T / np.sqrt(d)
        for at in range(tokens):
            scores[at, at + 1 :] = -np.inf
            if config.window:
                scores[at, : max(0, at + 1 - config.window)] = -np.inf
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        answers.append(shares / shares.sum(axis=1, keepdims=True) @ v[:, shared])
    return _linear(w, f"{prefix}.self_attn.o_proj", np.concatenate(answers, axis=1))


def _feed_forward(config: DecoderConfig, w: Mapping[str, np.ndarray], prefix: str, x: np.ndarray) -> np.ndarray:
    n = _rms(x, w[f"{prefix}.post_attention_layernorm.weight"], config.epsilon)
    gate, up = _linear(w, f"{prefix}.mlp.gate_proj", n), _linear(w, f"{prefix}.mlp.up_proj", n)
    return _linear(w, f"{prefix}.mlp.down_proj", gate / (1 + np.exp(-gate)) * up)


def _rotate(config: DecoderConfig, x: np.ndarray) -> np.ndarray:
    """Every pair of a head, as a complex number, turned by its position's angle."""
    rope, d = config.rope, config.head_size
    out = np.empty_like(x)
    for i in range(d // 2):
        frequency = rope.theta ** (-2 * i / d)
        if rope.scaling == "linear":
            frequency /= rope.factor
        elif rope.scaling == "llama3":
            wavelength = 2 * np.pi / frequency
            long, short = rope.trained_context / rope.low_frequency, rope.trained_context / rope.high_frequency
            if wavelength > long:
                frequency /= rope.factor
            elif wavelength > short:
                share = (rope.trained_context / wavelength - rope.low_frequency) / (
                    rope.high_frequency - rope.low_frequency
                )
                frequency = (1 - share) * frequency / rope.factor + share * frequency
        a, b = (2 * i, 2 * i + 1) if rope.interleaved else (i, i + d // 2)
        turned = (x[:, a] + 1j * x[:, b]) * np.exp(1j * frequency * np.arange(len(x)))
        out[:, a], out[:, b] = turned.real, turned.imag
    return out


def _linear(w: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def _rms(x: np.ndarray, gamma: np.ndarray, epsilon: float) -> np.ndarray:
    return gamma * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon)


def in_blocks(matrix: np.ndarray, form: BlockForm) -> Blocks:
    """A matrix rounded to blocks by the simplest rule there is: from each block's extremes."""
    rows, columns = matrix.shape
    size = form.size or columns
    groups = -(-columns // size)
    codes = np.zeros((rows, columns), np.uint8)
    scale, zero = np.ones((rows, groups), np.float32), np.zeros((rows, groups), np.uint8)
    for row in range(rows):
        for group in range(groups):
            part = slice(group * size, (group + 1) * size)
            values = matrix[row, part].astype(np.float64)
            if form.symmetric:
                zero[row, group], step = 1 << (form.bits - 1), 2 * np.abs(values).max() / form.largest
            else:
                low, high = min(values.min(), 0.0), max(values.max(), 0.0)
                step = (high - low) / form.largest or 1.0
                zero[row, group] = round(-low / step)
            scale[row, group] = step
            codes[row, part] = np.clip(np.round(values / step) + zero[row, group], 0, form.largest)
    return Blocks(form=form, codes=codes, scale=scale, zero=None if form.symmetric else zero)


def feeds_of(
    config: DecoderConfig, ids: np.ndarray, past: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Feeds of one row of tokens, the cache empty unless it is given."""
    empty = np.zeros((1, config.kv_heads, 0, config.head_size), np.float32)
    caches = {f"past_key_values.{layer}.{what}": empty for layer in range(config.layers) for what in ("key", "value")}
    caches.update(past or {})
    before = next(iter(caches.values())).shape[2]
    return {"input_ids": ids[None], "attention_mask": np.ones((1, before + len(ids)), np.int64), **caches}
