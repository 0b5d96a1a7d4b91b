"""Tokens to text, piece by piece: the pieces are the text, and no character is cut."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkpoints import write_tokenizer

from edgec.compiler.generating.tokenizer import Tokenizer
from edgec.errors import MissingExtraError, ModelError

pytest.importorskip("tokenizers")


def _bytes() -> Tokenizer:
    """A tokenizer of bytes, without merges: every token but ASCII is a part of a character."""
    import tokenizers

    said = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={}, merges=[]))
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    said = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={sign: k for k, sign in enumerate(alphabet)}, merges=[]))
    said.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    said.decoder = tokenizers.decoders.ByteLevel()
    return Tokenizer(said.to_str().encode(), "tokenizer.json")


@settings(deadline=None)
@given(text=st.text(max_size=30).filter(lambda text: "\ufffd" not in text))
def test_pieces_are_the_text_and_no_character_is_cut(text: str) -> None:
    tokenizer = _bytes()

    pieces = list(tokenizer.stream(tokenizer.encode(text)))

    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)


def test_spaces_between_words_come_with_the_word_after(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json", 10)
    tokenizer = Tokenizer((tmp_path / "tokenizer.json").read_bytes(), "tokenizer.json")

    assert tokenizer.encode("w4 w5 other") == [1, 4, 5, 0]
    assert tokenizer.encode("w4", begin=False) == [4]
    assert list(tokenizer.stream([4, 5, 2, 6])) == ["w4", " w5", " w6"]


def test_bytes_cut_short_are_told_at_the_end() -> None:
    tokenizer = _bytes()

    assert list(tokenizer.stream(tokenizer.encode("aé")[:-1])) == ["a", "\ufffd"]


def test_a_file_that_is_no_tokenizer_is_refused() -> None:
    with pytest.raises(ModelError) as error:
        Tokenizer(json.dumps({"a": 1}).encode(), "folder/tokenizer.json")
    assert str(error.value).startswith("folder/tokenizer.json: is no tokenizer: ")
    assert str(error.value).endswith(" Copy the checkpoint again.")


def test_without_the_package_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **named: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError) as error:
        Tokenizer(b"{}", "folder/tokenizer.json")
    assert str(error.value) == (
        "folder/tokenizer.json: needs the package 'tokenizers', which is not installed. Install it with: pip install "
        '"edgec[llm]"'
    )
