"""Channels of values as labels along one axis, and which labels belong together.

A value that is tracked has one label for each index along one axis: channels of an image, columns of a matrix, heads.
What has the same label is left out together. Labels are joined where values meet element by element, held where
something reads them that needs all of them, with the reason. Label 0 stays for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Labels", "Track"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Track:
    """One axis of a value.

    Attributes:
        axis: Which, from 0.
        labels: int64, as many as the axis is long.
    """

    axis: int
    labels: np.ndarray


@dataclass(kw_only=True, slots=True)
class Labels:
    """Labels given so far: which are one, which stay and why, which are heads."""

    parents: list[int] = field(default_factory=lambda: [0])
    held: dict[int, str] = field(default_factory=lambda: {0: ""})
    heads: set[int] = field(default_factory=set)

    def fresh(self, count: int) -> np.ndarray:
        """New labels."""
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def root(self, label: int) -> int:
        """The one that stands for all it was joined with."""
        while self.parents[label] != label:
            self.parents[label] = self.parents[self.parents[label]]
            label = self.parents[label]
        return label

    def join(self, a: np.ndarray, b: np.ndarray, reason: str) -> None:
        """Labels of a and b, one by one, are the same; joined with one that stays for ever, the reason."""
        for x, y in zip(*np.broadcast_arrays(a, b), strict=True):
            if x == 0 or y == 0:
                self.hold(np.array([x, y]), reason)
                continue
            first, second = sorted((self.root(int(x)), self.root(int(y))))
            self.parents[second] = first

    def hold(self, labels: np.ndarray, reason: str) -> None:
        """These labels stay; the first reason stands."""
        for label in np.unique(labels).tolist():
            self.held.setdefault(label, reason)

    def resolved(self) -> tuple[np.ndarray, dict[int, str], set[int]]:
        """The root of every label, why roots stay, and which roots are heads."""
        roots = np.array([self.root(label) for label in range(len(self.parents))])
        held: dict[int, str] = {}
        for label, reason in self.held.items():
            held.setdefault(int(roots[label]), reason)
        return roots, held, {int(roots[label]) for label in self.heads}
