"""The products of a graph that are modules of their own, so that tools find them by name."""

from __future__ import annotations

import torch
from torch import nn

from .edges import Edges

__all__ = ["Linear"]


class Linear(nn.Linear):
    """x Wᵀ: MatMul or Gemm with a constant matrix, `weight` (out, in) as PyTorch lays it.

    What the graph adds afterwards is added there, so a bias that lies in this module is not added by it.

    Args:
        name: Of the matrix in the graph, where edges are put.
        flipped: The graph has it (in, out).
        shape: (out, in).
        edges: Of the graph.
    """

    def __init__(self, name: str, *, flipped: bool, shape: tuple[int, int], edges: Edges) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = shape
        self.flipped = flipped
        self._name = name
        # Kept apart from the modules: the state dict has edges once.
        self.__dict__["_edges"] = edges
        self.register_parameter("bias", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply, by the weight as its edge gives it."""
        if self._edges.at(self._name) is None:
            return nn.functional.linear(x, self.weight)
        written = self._edges.through(self._name, self.weight.t() if self.flipped else self.weight)
        return torch.matmul(x, written if self.flipped else written.t())
