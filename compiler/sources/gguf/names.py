"""Hugging Face's names of tensors, and GGUF's (gguf-py, tensor_mapping.py)."""

from __future__ import annotations

import re

__all__ = ["gguf_name"]

_WHOLE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str | None:
    """`model.layers.3.self_attn.q_proj.weight` → `blk.3.attn_q.weight`; None where GGUF has no such tensor."""
    stem, _, what = name.rpartition(".")
    if stem in _WHOLE:
        return f"{_WHOLE[stem]}.{what}"
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem)
    if found is None or found[2] not in _LAYER:
        return None
    return f"blk.{found[1]}.{_LAYER[found[2]]}.{what}"
