"""Which weights of a matrix stay: a share of them, or N of every M in a row.

============= ============================================================
written       means
============= ============================================================
`50%`, `0.5`  half of the weights become 0, wherever they lie
`2:4`         of every 4 weights that are summed up next to each other, 2
============= ============================================================
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

__all__ = ["Pattern", "is_kept_in", "keep_largest", "read_pattern", "read_share"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """What becomes 0.

    Attributes:
        share: Of the weights, 0 < share < 1.
        of: M; 0 where zeros may lie anywhere.
    """

    share: float
    of: int = 0

    @property
    def pruned(self) -> int:
        """Zeros among every M weights."""
        return self.pruned_of(self.of)

    def pruned_of(self, count: int) -> int:
        """Zeros among so many weights, the share of them at least."""
        return math.ceil(self.share * count - 1e-9)


def read_pattern(text: str) -> Pattern:
    """The pattern that is written so; see the table above.

    Raises:
        ValueError: It is none.
    """
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if found is None:
        return Pattern(share=read_share(text))
    kept, of = int(found[1]), int(found[2])
    if not 0 < kept < of <= 64:
        raise ValueError(f"{text!r} does not keep some of at most 64 weights")
    return Pattern(share=(of - kept) / of, of=of)


def read_share(text: str) -> float:
    """A share above 0 and below 1, written `30%` or `0.3`.

    Raises:
        ValueError: It is none.
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(%?)", text)
    share = 0.0 if found is None else float(found[1]) / (100 if found[2] else 1)
    if not 0 < share < 1:
        raise ValueError(f"{text!r} is not a share above 0% and below 100%")
    return share


def keep_largest(score: np.ndarray, pattern: Pattern, *, by_row: bool = False) -> np.ndarray:
    """The weights that stay, those of large scores.

    Args:
        score: (..., K), not below 0.
        pattern: What becomes 0. K is a multiple of M.
        by_row: Every row loses the same share; else all rows together do.

    Returns:
        bool, shape of score; of equal scores the later ones go.
    """
    if pattern.of:
        parts, pruned = score.reshape(*score.shape[:-1], -1, pattern.of), pattern.pruned
    elif by_row:
        parts, pruned = score, pattern.pruned_of(score.shape[-1])
    else:
        parts, pruned = score.reshape(-1), pattern.pruned_of(score.size)
    order = np.argsort(-parts, axis=-1, kind="stable")
    kept = np.zeros(parts.shape, bool)
    np.put_along_axis(kept, order[..., : parts.shape[-1] - pruned], True, axis=-1)
    return kept.reshape(score.shape)


def is_kept_in(W: np.ndarray, pattern: Pattern) -> bool:
    """Whether a matrix (..., K) has that many zeros already, where they should be."""
    if not pattern.of:
        return bool((W == 0).sum() >= pattern.pruned_of(W.size))
    fours = W.reshape(*W.shape[:-1], -1, pattern.of)
    return bool(((fours == 0).sum(-1) >= pattern.pruned).all())
