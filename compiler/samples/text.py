"""A text file as rows of tokens, for decoders that bring a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import SamplesError
from ..generating.tokenizer import TOKENIZER, Tokenizer
from .base import Sample
from .decoders import IDS
from .view import pick

__all__ = ["TEXT_SUFFIXES", "TextReader"]

TEXT_SUFFIXES = (".txt", ".md")
# Tokens of a row, where the context is as long: perplexities of other tools are told for rows of 512 too (llama.cpp).
_ROW = 512


class TextReader:
    """Cuts a text into rows of tokens, each begun as the tokenizer begins a text.

    Args:
        file: UTF-8.
        companions: What ships with the model: its tokenizer, and its configuration, which tells the longest row.

    Raises:
        SamplesError: There is no tokenizer.
    """

    def __init__(self, file: Path, companions: Mapping[str, bytes]) -> None:
        self._file = file
        if TOKENIZER not in companions:
            raise SamplesError(
                str(file),
                f"is text, and the model brings no {TOKENIZER}",
                remedy="Give rows of token ids, an integer .npy of one row per sample",
            )
        self._tokenizer = companions[TOKENIZER]
        said = json.loads(companions.get("genai_config.json", b"{}"))
        self._row = min(_ROW, int(said.get("model", {}).get("context_length", _ROW)))

    @property
    def origin(self) -> str:
        return self._file.as_posix()

    def count(self) -> int:
        return len(self._rows)

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        samples = (
            Sample(id=f"{self._file.name}[{index}]", steps=({IDS: row[None]},)) for index, row in enumerate(self._rows)
        )
        return pick(samples, wanted)

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        tokenizer = Tokenizer(self._tokenizer, f"{TOKENIZER} of the model")
        try:
            text = self._file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SamplesError(str(self._file), "is not UTF-8", remedy="Save the text in UTF-8") from error
        begin = tokenizer.encode("")
        tokens, width = tokenizer.encode(text, begin=False), self._row - len(begin)
        rows = [np.asarray([*begin, *tokens[at : at + width]], np.int64) for at in range(0, len(tokens), width)]
        if len(rows) > 1 and len(rows[-1]) < self._row:
            rows.pop()  # rows of one length weigh alike
        if not rows or len(rows[0]) < 2:
            raise SamplesError(str(self._file), f"is {len(tokens)} tokens long", remedy="Give a longer text")
        return rows
