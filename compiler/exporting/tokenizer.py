"""A `tokenizer.json` in GGUF's metadata: the way back from `sources/gguf/tokenizer.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..sources.gguf.tokenizer import CUTS

__all__ = ["tokenizer_metadata"]

_NORMAL, _UNKNOWN, _CONTROL, _USER, _BYTE = 1, 2, 3, 4, 6


def tokenizer_metadata(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """Tokens, their kinds, and merges or scores.

    Args:
        said: The `tokenizer.json`.

    Returns:
        The metadata; None for kinds that GGUF has other names for.
    """
    model = said.get("model") or {}
    if model.get("type") != "BPE":
        return None
    merges = [each if isinstance(each, list) else each.split(" ") for each in model["merges"]]
    added = {each["content"]: each for each in said.get("added_tokens", ())}
    ids = {**model["vocab"], **{token: each["id"] for token, each in added.items()}}
    tokens = sorted(ids, key=lambda token: int(ids[token]))
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        return None
    common = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": _kinds(tokens, added, model)}
    if model.get("byte_fallback"):
        rank: dict[str, int] = {}
        for k, (left, right) in enumerate(merges):
            rank.setdefault(left + right, k)
        pieces = (said.get("normalizer") or {}).get("normalizers", ())
        return {
            "tokenizer.ggml.model": "llama",
            **common,
            "tokenizer.ggml.scores": [-float(rank.get(token, len(merges))) for token in tokens],
            "tokenizer.ggml.add_space_prefix": any(each.get("type") == "Prepend" for each in pieces),
        }
    pre = said.get("pre_tokenizer") or {}
    parts = pre.get("pretokenizers", [pre])
    cut = next((name for name, each in CUTS.items() if each == parts), None)
    if cut is None:
        return None
    merged = [" ".join(each) for each in merges]
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": cut, **common, "tokenizer.ggml.merges": merged}


def _kinds(tokens: list[str], added: Mapping[str, Any], model: Mapping[str, Any]) -> list[int]:
    def kind(token: str) -> int:
        if token == model.get("unk_token"):
            return _UNKNOWN
        if token in added:
            return _CONTROL if added[token].get("special") else _USER
        is_byte = model.get("byte_fallback") and len(token) == len("<0x00>") and token.startswith("<0x")
        return _BYTE if is_byte else _NORMAL

    return [kind(token) for token in tokens]
