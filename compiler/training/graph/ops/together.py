"""Operands on one device: numbers of the graph stay on the processor until something else meets them."""

from __future__ import annotations

import torch

__all__ = ["together"]


def together(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same tensors, those on the processor brought to where another one is."""
    device = next((each.device for each in tensors if each.device.type != "cpu"), None)
    return tensors if device is None else tuple(each.to(device) for each in tensors)
