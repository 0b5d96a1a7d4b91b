"""The tokenizer in GGUF's metadata as Hugging Face's `tokenizer.json`, which `edgec run --prompt` and others read.

1. `llama`: pieces with scores (SentencePiece, merged by score). The merges follow from the scores: every pair of pieces
   that makes a piece, that of the highest score first (transformers 4.57, convert_slow_tokenizer.py).
2. `gpt2`: bytes as characters, merges as they are, and how text is cut beforehand by name (llama.cpp, llama-vocab.cpp).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ....errors import ModelError

__all__ = ["CUTS", "tokenizer_files"]

_AGAIN = "Convert the model to GGUF again"
_NORMAL, _UNKNOWN, _CONTROL, _USER = 1, 2, 3, 4
_SPACE = "\u2581"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
_GPT2 = [{**_BYTES, "use_regex": True}]


def _cut(pattern: str) -> list[dict[str, Any]]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return [split, _BYTES]


# Name → how text is cut before it is merged.
CUTS: dict[str, list[dict[str, Any]]] = {
    "default": _GPT2,
    "gpt-2": _GPT2,
    "smollm": [{"type": "Digits", "individual_digits": True}, *_GPT2],
    "llama-bpe": _cut(_WORDS + r"\p{N}{1,3}" + _REST),
    "qwen2": _cut(_WORDS + r"\p{N}" + _REST),
    "deepseek-r1-qwen": _cut(_WORDS + r"\p{N}" + _REST),
}


def tokenizer_files(said: Mapping[str, Any], origin: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """`tokenizer.json` and `tokenizer_config.json`.

    Args:
        said: The file's metadata.
        origin: How messages call it.

    Returns:
        The files by name, none where the tokenizer is of a kind that is not known; and a note that says so.

    Raises:
        ModelError: The tokenizer's lists do not belong together.
    """
    kind, cut = said.get("tokenizer.ggml.model"), str(said.get("tokenizer.ggml.pre", "default"))
    if kind not in ("llama", "gpt2") or (kind == "gpt2" and cut not in CUTS):
        name = f"{kind}, {cut}" if kind == "gpt2" else str(kind)
        return {}, (f"tokenizer {name!r} is not one that is built: none goes along",)
    tokens, kinds = _lists(said, origin)
    parts = _by_score(said, tokens, kinds, origin) if kind == "llama" else _by_merges(said, tokens, cut, origin)
    added = [
        {
            "id": k,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kinds[k] != _USER,
        }
        for k, token in enumerate(tokens)
        if kinds[k] in (_UNKNOWN, _CONTROL, _USER)
    ]
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **parts}
    # llama.cpp's defaults (llama-vocab.cpp): SentencePiece begins a text, and so does Llama 3.
    begins = kind == "llama" or cut == "llama-bpe"
    put = {
        "bos": bool(said.get("tokenizer.ggml.add_bos_token", begins)),
        "eos": bool(said.get("tokenizer.ggml.add_eos_token", False)),
    }
    whole["post_processor"] = _ends(said, tokens, put)
    config = {
        "tokenizer_class": "LlamaTokenizer" if kind == "llama" else "PreTrainedTokenizerFast",
        **{f"add_{name}_token": each for name, each in put.items()},
        **_known(said, tokens),
    }
    return {
        "tokenizer.json": (json.dumps(whole, ensure_ascii=False) + "\n").encode(),
        "tokenizer_config.json": (json.dumps(config, ensure_ascii=False, indent=2) + "\n").encode(),
    }, ()


def _lists(said: Mapping[str, Any], origin: str) -> tuple[list[str], list[int]]:
    """Tokens and their kinds."""
    tokens = said.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or len(set(tokens)) != len(tokens):
        raise ModelError(origin, "has no list of tokens, or one that names a token twice", remedy=_AGAIN)
    kinds = said.get("tokenizer.ggml.token_type", [_NORMAL] * len(tokens))
    if len(kinds) != len(tokens):
        raise ModelError(origin, f"has {len(tokens)} tokens and {len(kinds)} token_type", remedy=_AGAIN)
    return tokens, kinds


def _by_score(said: Mapping[str, Any], tokens: list[str], kinds: list[int], origin: str) -> dict[str, Any]:
    scores = said.get("tokenizer.ggml.scores", [])
    if len(scores) != len(tokens):
        raise ModelError(origin, f"has {len(tokens)} tokens and {len(scores)} scores", remedy=_AGAIN)
    ids = {token: k for k, token in enumerate(tokens)}
    pairs = []
    for k, token in enumerate(tokens):
        if kinds[k] != _NORMAL:
            continue
        cuts = ((token[:at], token[at:]) for at in range(1, len(token)))
        found = [(left, right) for left, right in cuts if left in ids and right in ids]
        pairs += [(scores[k], pair) for pair in sorted(found, key=lambda pair: (ids[pair[0]], ids[pair[1]]))]
    pairs.sort(key=lambda each: each[0], reverse=True)
    prefix = bool(said.get("tokenizer.ggml.add_space_prefix", True))
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    unknown = next((token for k, token in enumerate(tokens) if kinds[k] == _UNKNOWN), None)
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    spaces = {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "}
    return {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*([{"type": "Prepend", "prepend": _SPACE}] if prefix else []), replace],
        },
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [spaces, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]},
        "model": _bpe(ids, [list(pair) for _, pair in pairs], unknown=unknown, bytes_=True),
    }


def _by_merges(said: Mapping[str, Any], tokens: list[str], cut: str, origin: str) -> dict[str, Any]:
    merges = said.get("tokenizer.ggml.merges")
    if not isinstance(merges, list) or not all(each.count(" ") == 1 for each in merges):
        raise ModelError(origin, "has no list of merges, or one of other than pairs", remedy=_AGAIN)
    pairs = [each.split(" ") for each in merges]
    ids = {token: k for k, token in enumerate(tokens)}
    if any(left not in ids or right not in ids or left + right not in ids for left, right in pairs):
        raise ModelError(origin, "has merges of what are no tokens", remedy=_AGAIN)
    return {
        "normalizer": {"type": "NFC"} if "qwen" in cut else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": CUTS[cut]},
        "decoder": _BYTES,
        "model": _bpe(ids, pairs, unknown=None, whole=cut == "llama-bpe"),
    }


def _bpe(
    ids: dict[str, int], merges: list[list[str]], *, unknown: str | None, bytes_: bool = False, whole: bool = False
) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unknown,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": bytes_,
        "byte_fallback": bytes_,
        "ignore_merges": whole,
        "vocab": ids,
        "merges": merges,
    }


def _ends(said: Mapping[str, Any], tokens: list[str], put: Mapping[str, bool]) -> dict[str, Any] | None:
    """The tokens put before and behind a text."""
    ids = {name: said.get(f"tokenizer.ggml.{name}_token_id") for name, wanted in put.items() if wanted}
    named = {name: tokens[k] for name, k in ids.items() if isinstance(k, int) and 0 <= k < len(tokens)}
    if not named:
        return None

    def around(*texts: str) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for k, text in enumerate(texts):
            before, behind = (
                [{"SpecialToken": {"id": named[end], "type_id": k}}] if end in named else [] for end in ("bos", "eos")
            )
            made += [*before, {"Sequence": {"id": text, "type_id": k}}, *behind]
        return made

    special = {token: {"id": token, "ids": [ids[name]], "tokens": [token]} for name, token in named.items()}
    return {"type": "TemplateProcessing", "single": around("A"), "pair": around("A", "B"), "special_tokens": special}


def _known(said: Mapping[str, Any], tokens: list[str]) -> dict[str, Any]:
    """What else is known of it, under Hugging Face's names."""
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    ids = {name: said.get(f"tokenizer.ggml.{key}_token_id") for name, key in names.items()}
    known = {name: tokens[k] for name, k in ids.items() if isinstance(k, int) and 0 <= k < len(tokens)}
    template = said.get("tokenizer.chat_template")
    return {**known, **({"chat_template": template} if isinstance(template, str) else {})}
