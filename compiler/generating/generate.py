"""The loop: feed the prompt, choose a token, feed it, until it ends an answer or there is no room."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .sampling import Sampling, next_token

__all__ = ["Generation", "Steps"]


class Steps(Protocol):
    """What feeds tokens to a decoder."""

    @property
    def capacity(self) -> int: ...
    @property
    def length(self) -> int: ...
    def feed(self, tokens: Sequence[int]) -> np.ndarray:
        """Append tokens; logits of the next one."""
        ...


@dataclass(kw_only=True, slots=True)
class Generation:
    """One answer, told token by token; what it took is known when it ended.

    Attributes:
        steps: The decoder, its cache empty.
        prompt: Tokens to begin with, at least one.
        most: Tokens to answer with.
        ends: Tokens that end an answer; not part of it.
        sampling: How a token is chosen.
        seed: Seeds the draws.
        tokens: The answer so far.
        prompt_seconds: Until the first token was known.
        seconds: Of all steps after it.
        fed: How many those were.
    """

    steps: Steps
    prompt: Sequence[int]
    most: int
    ends: frozenset[int] = frozenset()
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    tokens: list[int] = field(default_factory=list)
    prompt_seconds: float = 0.0
    seconds: float = 0.0
    fed: int = 0

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng(self.seed)
        started = time.perf_counter()
        logits = self.steps.feed(self.prompt)
        self.prompt_seconds = time.perf_counter() - started
        while len(self.tokens) < self.most:
            token = next_token(logits, self.sampling, generator)
            if token in self.ends:
                return
            self.tokens.append(token)
            yield token
            if len(self.tokens) == self.most or self.steps.length == self.steps.capacity:
                return
            started = time.perf_counter()
            logits = self.steps.feed([token])
            self.seconds += time.perf_counter() - started
            self.fed += 1

    @property
    def prompt_rate(self) -> float:
        """Tokens of the prompt per second."""
        return len(self.prompt) / self.prompt_seconds if self.prompt_seconds else 0.0

    @property
    def rate(self) -> float | None:
        """Tokens per second after the first one; None where there is none."""
        return self.fed / self.seconds if self.fed and self.seconds else None
