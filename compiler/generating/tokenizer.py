"""A tokenizer as it lies beside a decoder: `tokenizer.json`, read by the `tokenizers` package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...errors import MissingExtraError, ModelError

__all__ = ["TOKENIZER", "Tokenizer"]

TOKENIZER = "tokenizer.json"
# What a decoder of bytes writes where a character is not complete yet.
_PARTIAL = "\ufffd"


class Tokenizer:
    """Text to tokens and back.

    Args:
        data: The bytes of a `tokenizer.json`.
        where: How messages call it.

    Raises:
        MissingExtraError: The package `tokenizers` is not installed.
        ModelError: It is no tokenizer.
    """

    def __init__(self, data: bytes, where: str) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise MissingExtraError(where, "tokenizers", "llm") from error
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(data)
        except Exception as error:  # the package is written in Rust: its errors are bare Exceptions
            raise ModelError(where, f"is no tokenizer: {error}", remedy="Copy the checkpoint again") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, text: str, *, begin: bool = True) -> list[int]:
        """Tokens of a text; with what begins one, where the tokenizer has such tokens and `begin` holds."""
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=begin).ids
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Pieces of text as tokens come: the whole text at the end, no character cut in two.

        A token's text depends on those before it (spaces, the bytes of one character): what is new is what the last
        piece's tokens and those after it say together, beyond what the last piece's say alone.
        """
        held: list[int] = []
        last, read = 0, 0
        for token in tokens:
            held.append(token)
            before, now = self.decode(held[last:read]), self.decode(held[last:])
            if len(now) > len(before) and not now.endswith(_PARTIAL):
                yield now[len(before) :]
                last, read = read, len(held)
        before, now = self.decode(held[last:read]), self.decode(held[last:])
        if len(now) > len(before):
            yield now[len(before) :]
