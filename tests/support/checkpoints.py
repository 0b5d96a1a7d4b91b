"""Checkpoint folders as Hugging Face writes them, small, and written without any package of theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from edgec.compiler.sources.decoder import DecoderConfig

__all__ = ["config_json", "write_checkpoint", "write_safetensors", "write_tokenizer"]

_CODES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "uint8": "U8"}
_CLASSES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM"}


def config_json(config: DecoderConfig) -> dict[str, object]:
    """`config.json` of a decoder, by the names of transformers."""
    said: dict[str, object] = {
        "model_type": config.architecture,
        "architectures": [_CLASSES.get(config.architecture, "Qwen3ForCausalLM")],
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "intermediate_size": config.intermediate,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_size,
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.epsilon,
        "rope_theta": config.rope.theta,
        "hidden_act": "silu",
        "tie_word_embeddings": config.tied,
        "attention_bias": config.output_bias,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return said | ({"sliding_window": config.window or None} if config.architecture == "mistral" else {})


def write_safetensors(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """The format, from its description: length, header, bytes."""
    head, at, parts = {}, 0, []
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        dtype = _CODES[array.dtype.name]
        head[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(head).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def write_checkpoint(
    folder: Path,
    config: DecoderConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    shards: int = 1,
    tokenizer: bool = True,
    **changed: object,
) -> Path:
    """A folder; `changed` replaces keys of its `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_json(config) | changed))
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    arrays = {name: array.astype(kind) for name, array in weights.items()}
    if shards == 1:
        write_safetensors(folder / "model.safetensors", arrays)
    else:
        names = list(arrays)
        files = {name: f"model-{index % shards + 1:05}-of-{shards:05}.safetensors" for index, name in enumerate(names)}
        for file in set(files.values()):
            write_safetensors(folder / file, {name: arrays[name] for name in names if files[name] == file})
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    if tokenizer:
        write_tokenizer(folder / "tokenizer.json", config.vocabulary)
    return folder


def write_tokenizer(file: Path, vocabulary: int) -> None:
    """A tokenizer of whole words: `<unk>`, `<s>`, `</s>`, then w3, w4, …; texts begin with `<s>`."""
    words = ["<unk>", "<s>", "</s>", *(f"w{index}" for index in range(3, vocabulary))]
    special = [
        {"id": index, "content": words[index], "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for index in range(3)
    ]  # fmt: skip
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    other = {"Sequence": {"id": "B", "type_id": 1}}
    said = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, text],
            "pair": [begin, text, other],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: index for index, word in enumerate(words)},
            "unk_token": "<unk>",
        },
    }
    file.write_text(json.dumps(said))
