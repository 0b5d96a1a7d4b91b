"""Texts that a language model writes itself, to be taught by: no data are read.

Z. Liu et al., "LLM-QAT: Data-Free Quantization Aware Training for Large Language Models" (2023, arXiv 2305.17888),
section 2.1: a text begins with a token of the vocabulary; the next 3 to 5 are the likeliest, so that it finds something
to speak of; the rest is drawn from all of the softmax, which is as various as what the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["write_text"]

# Texts that are written at once.
TOGETHER = 64
_GREEDY = (3, 6)

# Makes what reads so many texts: a token for each in, logits of the next ones out.
Begin = Callable[[int], Callable[[np.ndarray], np.ndarray]]


def write_text(
    begin: Begin, *, vocabulary: int, texts: int, length: int, seed: int, advance: Callable[[int], None]
) -> np.ndarray:
    """Write texts, each from a token of its own while there are enough.

    Args:
        begin: Makes what reads texts.
        vocabulary: Tokens there are.
        texts: How many to write.
        length: Tokens of each.
        seed: Of the tokens they begin with, and of the draws.
        advance: Told how many tokens were written.

    Returns:
        int64, (texts, length).
    """
    generator = np.random.default_rng(seed)
    rounds = -(-texts // vocabulary)
    starts = np.concatenate([generator.permutation(vocabulary) for _ in range(rounds)])[:texts]
    made = np.empty((texts, length), np.int64)
    for first in range(0, texts, TOGETHER):
        some = made[first : first + TOGETHER]
        some[:, 0] = starts[first : first + TOGETHER]
        greedy = generator.integers(*_GREEDY, len(some))
        feed = begin(len(some))
        for k in range(1, length):
            logits = feed(some[:, k - 1])
            some[:, k] = np.where(k <= greedy, logits.argmax(axis=1), _drawn(logits, generator))
            advance(len(some))
    return made


def _drawn(logits: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A token for each row, as likely as the softmax has it: the largest of logits with Gumbel noise."""
    noise = generator.gumbel(size=logits.shape)
    drawn: np.ndarray = (logits.astype(np.float64) + noise).argmax(axis=1)
    return drawn
