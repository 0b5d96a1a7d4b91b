"""The values of one run: as they were made, and as their readers read them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .edges import Edges

__all__ = ["Frame"]


class Frame:
    """Values by name.

    Args:
        edges: What readers read values through.
        constant: Gives an initializer's numbers.
    """

    def __init__(self, edges: Edges, constant: Callable[[str], torch.Tensor]) -> None:
        self._edges = edges
        self._constant = constant
        self._made: dict[str, torch.Tensor] = {}
        self._read: dict[str, torch.Tensor] = {}

    def make(self, name: str, value: torch.Tensor) -> None:
        """Keep a value."""
        self._made[name] = value

    def read(self, name: str) -> torch.Tensor:
        """A value as every reader without an edge of its own reads it."""
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = self._edges.through(name, self._as_made(name))
        return found

    def operand(self, name: str | None, node: str, index: int) -> torch.Tensor | None:
        """A value as input `index` of a node reads it; None for an absent one."""
        if name is None:
            return None
        own = self._edges.at(name, (node, index))
        return self.read(name) if own is None else own(self._as_made(name))

    def drop(self, name: str) -> None:
        """Let a value go."""
        self._made.pop(name, None)
        self._read.pop(name, None)

    def _as_made(self, name: str) -> torch.Tensor:
        return self._made[name] if name in self._made else self._constant(name)
