"""Rotary positions: pairs of a head's elements turned by an angle that grows with the position.

J. Su et al., "RoFormer" (2021, arXiv 2104.09864), eq. 34; pairs are halves (i, i + d/2), or neighbours where they are
interleaved (ONNX 1.23, RotaryEmbedding; ONNX Runtime 1.31, com.microsoft.RotaryEmbedding).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator

__all__ = ["OPERATORS", "turned"]


def turned(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """Heads turned.

    Args:
        x: (batch, tokens, heads, size).
        cos: (batch or 1, tokens, pairs); elements beyond the pairs stay.
        sin: As cos.
        interleaved: Pairs are neighbours.
    """
    width = 2 * cos.shape[-1]
    cos, sin = cos.unsqueeze(2), sin.unsqueeze(2)
    pairs, rest = x[..., :width], x[..., width:]
    if interleaved:
        a, b = pairs[..., 0::2], pairs[..., 1::2]
        made = torch.stack((a * cos - b * sin, a * sin + b * cos), -1).reshape(pairs.shape)
    else:
        a, b = pairs.chunk(2, -1)
        made = torch.cat((a * cos - b * sin, a * sin + b * cos), -1)
    return torch.cat((made, rest), -1) if rest.shape[-1] else made


def _rotary(call: Call, x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | None = None) -> Tensor:
    shape, flat = x.shape, x.dim() == 3
    heads = call.get("num_heads", 0)
    x = x.reshape(*shape[:2], heads, -1) if flat else x.transpose(1, 2)
    if positions is not None:
        positions = positions.to(cos.device).long()
        cos, sin = cos[positions], sin[positions]
    width = call.get("rotary_embedding_dim", 0)
    if width:
        cos, sin = cos[..., : width // 2], sin[..., : width // 2]
    made = turned(x, cos, sin, bool(call.get("interleaved", 0)))
    return made.reshape(shape) if flat else made.transpose(1, 2)


def _contrib(call: Call, x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    shape, flat = x.shape, x.dim() == 3
    heads, width = call.get("num_heads", 0), call.get("rotary_embedding_dim", 0)
    heads = heads or shape[-1] // (width or 2 * cos.shape[-1])
    x = x.reshape(*shape[:2], heads, -1) if flat else x.transpose(1, 2)
    positions = positions.to(cos.device).long()
    if positions.numel() == 1:  # where the first token is
        positions = positions.reshape(1, 1) + torch.arange(x.shape[1], device=cos.device)
    made = turned(x, cos[positions], sin[positions], bool(call.get("interleaved", 0)))
    made = made * call.get("scale", 1.0)
    return made.reshape(shape) if flat else made.transpose(1, 2)


OPERATORS: dict[str, Operator] = {"RotaryEmbedding": _rotary, "com.microsoft.RotaryEmbedding": _contrib}
