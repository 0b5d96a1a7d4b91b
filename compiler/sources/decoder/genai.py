"""`genai_config.json`: what onnxruntime-genai reads beside a decoder, and `edgec run --prompt` too.

Keys of onnxruntime-genai 0.18 (src/config.h; written alike by its model builder).
"""

from __future__ import annotations

import json
from typing import Any, Protocol

__all__ = ["GENAI_CONFIG", "genai_config"]

GENAI_CONFIG = "genai_config.json"
# The cache is allocated for all of `max_length` at once: a context of 128 Ki tokens would take gigabytes. Callers
# that want more set it.
_LONGEST = 4096


class Described(Protocol):
    """What is said of a decoder, however it was made."""

    @property
    def architecture(self) -> str: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def head_size(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def bos(self) -> int | None: ...
    @property
    def eos(self) -> tuple[int, ...]: ...
    @property
    def pad(self) -> int | None: ...


def genai_config(config: Described, *, filename: str = "model.onnx") -> bytes:
    """The file's text.

    Args:
        config: The decoder.
        filename: The model's.
    """
    caches = {f"past_{what}_names": f"past_key_values.%d.{what}" for what in ("key", "value")}
    presents = {f"present_{what}_names": f"present.%d.{what}" for what in ("key", "value")}
    eos: Any = config.eos[0] if len(config.eos) == 1 else list(config.eos)
    pad = config.pad if config.pad is not None else (config.eos[0] if config.eos else 0)
    model = {
        "type": config.architecture,
        **({} if config.bos is None else {"bos_token_id": config.bos}),
        **({"eos_token_id": eos} if config.eos else {}),
        "pad_token_id": pad,
        "context_length": config.context,
        "vocab_size": config.vocabulary,
        "decoder": {
            "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
            "filename": filename,
            "head_size": config.head_size,
            "hidden_size": config.hidden,
            "num_attention_heads": config.heads,
            "num_hidden_layers": config.layers,
            "num_key_value_heads": config.kv_heads,
            "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **caches},
            "outputs": {"logits": "logits", **presents},
        },
    }
    search = {"max_length": min(config.context, _LONGEST), "past_present_share_buffer": True, "do_sample": False}
    return (json.dumps({"model": model, "search": search}, indent=2) + "\n").encode()
