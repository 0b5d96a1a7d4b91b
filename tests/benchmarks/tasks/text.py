"""Text: polyphones, the next token, the likeness of sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from encoder import tokens

from tasks.base import Example, Steps, Task, arrays, every, load, zoo_folder

if TYPE_CHECKING:
    from edgec.compiler.metrics import Metric

__all__ = ["NextToken", "NextTokenCached", "Polyphone", "SentencePairs"]


@dataclass(frozen=True, kw_only=True)
class Polyphone(Task):
    """Accuracy of how a Chinese character of several readings is read in its sentence."""

    uniform: bool = False

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("top1")

    def calibration(self, n: int) -> Iterator[Steps]:
        found = list(self._read("calib"))
        for i in every(n, len(found)):
            yield found[i].steps

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for number, example in enumerate(self._read("eval")):
            if number == n:
                return
            yield example

    def _read(self, split: str) -> Iterator[Example]:
        data = load("g2pm")
        sentences = np.split(data[f"{split}_ids"].astype(np.int64), np.cumsum(data[f"{split}_len"].astype(int))[:-1])
        for ids, at, reading in zip(sentences, data[f"{split}_target"], data[f"{split}_y"], strict=True):
            step = {"char_ids": ids[None], "target": np.array([at], np.int64)}
            yield Example(steps=(step,), label=np.array(int(reading)))


@dataclass(frozen=True, kw_only=True)
class NextToken(Task):
    """Perplexity of whole sequences."""

    uniform: bool = True

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("perplexity")

    def calibration(self, n: int) -> Iterator[Steps]:
        for row in _rows("calib", n):
            yield ({"input_ids": row[None]},)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for row in _rows("eval", n):
            yield Example(steps=({"input_ids": row[None, :-1]},), label=row[1:])


@dataclass(frozen=True, kw_only=True)
class NextTokenCached(Task):
    """Perplexity of the first tokens of sequences, one token per step, keys and values carried."""

    uniform: bool = False
    length: int = 100
    calibration_rows: int = 4
    evaluation_rows: int = 20

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("perplexity", "logits")

    def calibration(self, n: int) -> Iterator[Steps]:
        for row in _rows("calib", min(n, self.calibration_rows)):
            yield _token_by_token(row[: self.length])

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        for row in _rows("eval", min(n or self.evaluation_rows, self.evaluation_rows)):
            yield Example(steps=_token_by_token(row[: self.length - 1]), label=row[1 : self.length])


def _rows(split: str, n: int | None) -> np.ndarray:
    return arrays("stories260k", split)[0][:n].astype(np.int64)


def _token_by_token(row: np.ndarray) -> Steps:
    return tuple({"token": np.array([[token]]), "pos": np.array([at])} for at, token in enumerate(row))


@dataclass(frozen=True, kw_only=True)
class SentencePairs(Task):
    """Rank correlation of the cosine of two sentences with how alike people found them: two steps, one each."""

    uniform: bool = False
    stride: int = 2  # every second pair of the evaluation split: a float pass over all takes 14 s

    @property
    def metric(self) -> Metric:
        from edgec.compiler.metrics import metric_named

        return metric_named("spearman")

    def calibration(self, n: int) -> Iterator[Steps]:
        pairs = self._read("calib")
        for feed in tokens([pairs[i][0] for i in every(n, len(pairs))]):
            yield (feed,)

    def evaluation(self, n: int | None = None) -> Iterator[Example]:
        pairs = self._read("eval")[:: self.stride][:n]
        left, right = tokens([pair[0] for pair in pairs]), tokens([pair[1] for pair in pairs])
        for a, b, (_, _, likeness) in zip(left, right, pairs, strict=True):
            yield Example(steps=(a, b), label=np.array(likeness))

    def _read(self, split: str) -> list[tuple[str, str, float]]:
        text = (zoo_folder() / "data" / "stsb_en.json").read_text(encoding="utf-8")
        found: list[tuple[str, str, float]] = json.loads(text)[split]
        return found
