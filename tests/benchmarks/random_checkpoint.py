"""A checkpoint of random weights as Hugging Face writes them, and what onnxruntime-genai's own builder makes of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from edgec.compiler.sources.decoder import DecoderConfig

__all__ = ["build_as_genai", "can_build", "write_checkpoint"]

_NEEDED = "import onnxruntime_genai, torch, transformers"


def can_build(python: str) -> bool:
    """Whether an interpreter has what onnxruntime-genai's builder needs."""
    return subprocess.run([python, "-c", _NEEDED], capture_output=True, check=False).returncode == 0


def build_as_genai(python: str, checkpoint: Path, folder: Path) -> None:
    """Write `folder` with the builder's defaults for 4 bits on the CPU."""
    words = [
        "-m",
        "onnxruntime_genai.models.builder",
        "-i",
        str(checkpoint),
        "-o",
        str(folder),
        "-p",
        "int4",
        "-e",
        "cpu",
    ]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, *words, "-c", str(checkpoint / "cache")], capture_output=True, text=True, env=offline, check=False
    )
    if done.returncode:
        raise SystemExit(f"onnxruntime-genai's builder: {done.stderr[-2000:]}")


def write_checkpoint(folder: Path, config: DecoderConfig, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """The folder of a checkpoint in bfloat16, products of about unit variance; written matrix by matrix."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(_config(config)), encoding="utf-8")
    words = ["<unk>", "<s>", "</s>", *(f"w{index}" for index in range(3, config.vocabulary))]
    special = [{"id": k, "content": words[k], "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False} for k in range(3)]  # fmt: skip
    model = {"type": "WordLevel", "vocab": {word: k for k, word in enumerate(words)}, "unk_token": "<unk>"}
    tokenizer = {
        "version": "1.0",
        "added_tokens": special,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": model,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    _write_weights(folder / "model.safetensors", shapes)
    return folder


def _config(config: DecoderConfig) -> dict[str, object]:
    return {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": config.vocabulary,
        "hidden_size": config.hidden, "intermediate_size": config.intermediate, "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads, "num_key_value_heads": config.kv_heads, "head_dim": config.head_size,
        "max_position_embeddings": config.context, "rms_norm_eps": config.epsilon, "rope_theta": config.rope.theta,
        "hidden_act": "silu", "tie_word_embeddings": config.tied, "torch_dtype": "bfloat16",
        "bos_token_id": config.bos, "eos_token_id": config.eos[0],
    }  # fmt: skip


def _write_weights(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """safetensors, from its description: length, header, bytes."""
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        head[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    draw = np.random.default_rng(0)
    with file.open("wb") as written:
        written.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            array = np.ones(shape, np.float32)
            if len(shape) > 1:
                array = draw.standard_normal(shape, np.float32) / np.float32(np.sqrt(shape[1]))
            written.write(array.astype(ml_dtypes.bfloat16).tobytes())
