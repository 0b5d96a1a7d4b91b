"""Tokenizers of GGUF: the tokens that merging by score, or by the list of merges, finds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.sources.gguf.tokenizer import tokenizer_files
from edgec.errors import ModelError

tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")

_SPACE = "▁"
_AGAIN = "Convert the model to GGUF again."


def by_score(**more: Any) -> dict[str, Any]:
    """<unk>, <s>, </s>, 256 bytes, letters, and pieces with scores of their own."""
    words = ["▁a", "ab", "▁ab", "ba", "bab", "ca", "abc", "▁c", "cc", "▁▁", "aa", "aab", "cab", "▁cab"]
    letters = [_SPACE, "a", "b", "c"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{k:02X}>" for k in range(256)), *words, *letters]
    count = len(words)
    scores = [0.0] * 259 + [-float(k * 5 % count) for k in range(count)] + [-1e9] * len(letters)
    kinds = [2, 3, 3] + [6] * 256 + [1] * (count + len(letters))
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        **{f"tokenizer.{name}": value for name, value in more.items()},
    }


def by_merges(cut: str = "default") -> dict[str, Any]:
    """Every byte as a character, and three merges."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [k for k in range(256) if k not in kept]
    letters = [chr(k) for k in kept] + [chr(256 + k) for k in range(len(others))]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cut,
        "tokenizer.ggml.tokens": [*letters, "ab", "Ġab", "abc", "<end>"],
        "tokenizer.ggml.token_type": [1] * (len(letters) + 3) + [3],
        "tokenizer.ggml.merges": ["a b", "Ġ ab", "ab c"],
        "tokenizer.ggml.eos_token_id": len(letters) + 3,
    }


def built(said: dict[str, Any]) -> tokenizers.Tokenizer:
    files, notes = tokenizer_files(said, "m.gguf")
    assert notes == ()
    return tokenizers.Tokenizer.from_buffer(files["tokenizer.json"])


def merged(said: dict[str, Any], text: str) -> list[int]:
    """SentencePiece: of all neighbours that make a piece, those of the best score, the first of them, are joined."""
    tokens, scores = said["tokenizer.ggml.tokens"], said["tokenizer.ggml.scores"]
    ids = {token: k for k, token in enumerate(tokens)}
    parts = list(_SPACE + text.replace(" ", _SPACE)) if text else []
    while True:
        found = [
            (-scores[ids[parts[k] + parts[k + 1]]], k) for k in range(len(parts) - 1) if parts[k] + parts[k + 1] in ids
        ]
        if not found:
            break
        _, at = min(found)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    out: list[int] = [said["tokenizer.ggml.bos_token_id"]]
    for part in parts:
        out += [ids[part]] if part in ids else [3 + byte for byte in part.encode()]
    return out


@given(text=st.text(alphabet="abc é", max_size=24))
def test_pieces_are_merged_by_score(text):
    said = by_score()
    tokenizer = built(said)
    assert tokenizer.encode(text).ids == merged(said, text)


@given(text=st.text(alphabet="abc é\n", max_size=24))
def test_pieces_read_back(text):
    tokenizer = built(by_score())
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_without_a_space_in_front():
    said = by_score(**{"ggml.add_space_prefix": False})
    assert built(said).encode("ab").tokens == ["<s>", "ab"]
    assert built(by_score()).encode("ab").tokens == ["<s>", "▁ab"]


def test_what_is_put_around_a_text():
    said = by_score(**{"ggml.add_bos_token": False, "ggml.add_eos_token": True})
    assert built(said).encode("ab").tokens == ["▁ab", "</s>"]


@pytest.mark.parametrize("cut", ["default", "llama-bpe", "qwen2", "smollm"])
@given(text=st.text(max_size=24))
def test_bytes_read_back(cut, text):
    tokenizer = built(by_merges(cut))
    decoded = tokenizer.decode(tokenizer.encode(text).ids)
    assert decoded == text or ("qwen" in cut and decoded)  # which composes characters first


def test_merges_and_special_tokens():
    encoded = built(by_merges()).encode("abc ab<end>")
    assert encoded.tokens == ["abc", "Ġab", "<end>"]


@pytest.mark.parametrize(("cut", "parts"), [("llama-bpe", 2), ("qwen2", 4), ("default", 1)])
def test_how_numbers_are_cut(cut, parts):
    files, _ = tokenizer_files(by_merges(cut), "m.gguf")
    pre = tokenizers.Tokenizer.from_buffer(files["tokenizer.json"]).pre_tokenizer
    assert len(pre.pre_tokenize_str("1234")) == parts


def test_what_hugging_face_calls_the_rest():
    files, _ = tokenizer_files(by_score(chat_template="{{ messages }}"), "m.gguf")
    assert json.loads(files["tokenizer_config.json"]) == {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "chat_template": "{{ messages }}",
    }


@pytest.mark.parametrize(
    ("said", "name"),
    [({"tokenizer.ggml.model": "t5"}, "t5"), ({}, "None"), (by_merges("viking"), "gpt2, viking")],
)
def test_kinds_that_are_not_built(said, name):
    assert tokenizer_files(said, "m.gguf") == ({}, (f"tokenizer {name!r} is not one that is built: none goes along",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokens": ["a", "a"]}, "has no list of tokens, or one that names a token twice"),
        ({"token_type": [1]}, "has 277 tokens and 1 token_type"),
        ({"scores": []}, "has 277 tokens and 0 scores"),
    ],
)
def test_lists_that_do_not_belong_together(changes, said):
    given = by_score(**{f"ggml.{name}": value for name, value in changes.items()})
    with pytest.raises(ModelError) as caught:
        tokenizer_files(given, "m.gguf")
    assert str(caught.value) == f"m.gguf: {said}. {_AGAIN}"


@pytest.mark.parametrize(
    ("merges", "said"),
    [
        (["ab"], "has no list of merges, or one of other than pairs"),
        (["a z z"], "has no list of merges, or one of other than pairs"),
        (["a q"], "has merges of what are no tokens"),
    ],
)
def test_merges_that_are_none(merges, said):
    with pytest.raises(ModelError) as caught:
        tokenizer_files({**by_merges(), "tokenizer.ggml.merges": merges}, "m.gguf")
    assert str(caught.value) == f"m.gguf: {said}. {_AGAIN}"
