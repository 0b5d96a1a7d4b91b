"""Activations and caches as integers will hold them: every token under a scale of its own, taken as it comes.

    s = max|x| / (2^(b-1) - 1) over the last axis;  x̂ = round(x / s) s

Z. Liu et al., "LLM-QAT" (2023, arXiv 2305.17888), section 2.2: symmetric, per token, nothing clipped. MatMulNBits at
accuracy level 4 has a scale for every block of a token, which is finer (ONNX Runtime 1.31).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FakeTokens"]

_TINY = 1e-30


class FakeTokens(nn.Module):
    """Fake quantization of what a product reads, or a cache keeps.

    Args:
        bits: Of an integer.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._most = float((1 << bits - 1) - 1)

    def forward(self, x: Tensor) -> Tensor:
        """The nearest integers times their scale; gradients pass."""
        with torch.no_grad():
            scale = (x.abs().amax(-1, keepdim=True) / self._most).clamp(min=_TINY)
            step = torch.round(x / scale) * scale - x
        return x + step
