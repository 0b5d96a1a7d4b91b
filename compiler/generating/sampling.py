"""The next token: the likeliest, or one drawn.

Draws follow temperature, then top-k, then top-p (A. Holtzman et al., "The Curious Case of Neural Text Degeneration",
2020, arXiv 1904.09751, section 3.1), in the order of transformers and onnxruntime-genai.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Sampling", "next_token", "probabilities"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How a token is chosen.

    Attributes:
        temperature: Logits are divided by it; 0 takes the likeliest token.
        top_k: Draw among so many of the likeliest; 0 is all.
        top_p: Draw among the fewest likeliest that hold this share of the probability.

    Raises:
        ValueError: A number is out of its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise ValueError(f"temperature: {self.temperature:g} is below 0, or no number")
        if self.top_k < 0:
            raise ValueError(f"top_k: {self.top_k} is below 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: {self.top_p:g} is not above 0 and at most 1")


def probabilities(logits: np.ndarray, sampling: Sampling) -> np.ndarray:
    """What each token is drawn with.

    Args:
        logits: (vocabulary,).
        sampling: Of a temperature above 0.

    Returns:
        float64, (vocabulary,), sum 1.
    """
    scaled = logits.astype(np.float64) / sampling.temperature
    order = np.argsort(-scaled, kind="stable")
    if sampling.top_k:
        order = order[: sampling.top_k]
    kept = np.exp(scaled[order] - scaled[order[0]])
    kept /= kept.sum()
    # The token that completes the share is among them.
    count = int(np.searchsorted(np.cumsum(kept), sampling.top_p, side="left")) + 1
    order, kept = order[:count], kept[:count]
    made = np.zeros(scaled.shape)
    made[order] = kept / kept.sum()
    return made


def next_token(logits: np.ndarray, sampling: Sampling, generator: np.random.Generator) -> int:
    """The token that follows; the first of several that are likeliest alike."""
    if sampling.temperature == 0:
        return int(np.argmax(logits))
    return int(generator.choice(logits.size, p=probabilities(logits, sampling)))
