"""What is put on the edges of a graph: modules that values go through wherever they are read."""

from __future__ import annotations

import torch
from torch import nn

from .names import escaped

__all__ = ["Edges"]

_RESERVED = frozenset(dir(nn.Module())) | {"training"}


class Edges(nn.Module):
    """Modules by the value they are put on, or by one reader of it.

    In a state dict, what is put on `conv1.weight` stands at `edges.conv1%2Eweight`, what is put on input 1 of the node
    `/conv1/Conv` alone at `edges.<value>@/conv1/Conv#1`.
    """

    def put(self, value: str, module: nn.Module, reader: tuple[str, int] | None = None) -> None:
        """Put a module on a value; another that was there goes.

        Args:
            value: Its name.
            module: Called with the value, gives what is read instead.
            reader: Node and input index where it is read so; None is everywhere, where nothing is put for the reader.
        """
        self.add_module(_key(value, reader), module)

    def take(self, value: str, reader: tuple[str, int] | None = None) -> nn.Module | None:
        """Take away what was put there, and give it back."""
        return self._modules.pop(_key(value, reader), None)

    def at(self, value: str, reader: tuple[str, int] | None = None) -> nn.Module | None:
        """What is put there."""
        return self._modules.get(_key(value, reader))

    def through(self, value: str, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor as every reader without an edge of its own reads it."""
        module = self.at(value)
        return tensor if module is None else module(tensor)


def _key(value: str, reader: tuple[str, int] | None) -> str:
    return escaped(value if reader is None else f"{value}@{reader[0]}#{reader[1]}", _RESERVED)
