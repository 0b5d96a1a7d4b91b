"""Weights stored in few bits, as a frozen base that activations are multiplied by: gradients pass to the inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from .together import together

__all__ = ["OPERATORS"]


def _codes(packed: Tensor, bits: int) -> Tensor:
    """Codes laid side by side in bytes, the first in the lowest bits, taken apart."""
    shifts = torch.arange(0, 8, bits, device=packed.device, dtype=torch.uint8)
    apart = torch.bitwise_and(torch.bitwise_right_shift(packed.unsqueeze(-1), shifts), (1 << bits) - 1)
    return apart.flatten(-2)


def _matmul_nbits(
    call: Call,
    x: Tensor,
    packed: Tensor,
    scale: Tensor,
    zero: Tensor | None = None,
    order: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    bits, size = call.get("bits", 4), call.attributes["block_size"]
    rows, columns = call.attributes["N"], call.attributes["K"]
    groups = -(-columns // size)
    packed, scale = (each.to(x.device) for each in (packed, scale))
    codes = _codes(packed.reshape(rows, groups, -1), bits).to(x.dtype)
    if zero is None:
        middle: Tensor | float = float(1 << bits - 1)
    elif zero.dtype is torch.uint8:
        middle = _codes(zero.to(x.device).reshape(rows, -1), bits)[:, :groups].to(x.dtype).unsqueeze(-1)
    else:
        middle = zero.to(x.device).reshape(rows, groups, 1)
    if order is None:
        weight = ((codes - middle) * scale.reshape(rows, groups, 1)).flatten(1)[:, :columns]
    else:  # which block each column is of
        which = order.to(x.device).long()[:columns]
        zeros = middle.flatten(1)[:, which] if isinstance(middle, Tensor) else middle
        weight = (codes.flatten(1)[:, :columns] - zeros) * scale.reshape(rows, groups)[:, which]
    return torch.nn.functional.linear(x, weight, bias)


def _gather_blocks(call: Call, packed: Tensor, ids: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    bits, size = call.get("bits", 4), call.get("block_size", 128)
    packed, ids, scale = together(packed, ids, scale)
    flat = ids.long().reshape(-1)
    codes = _codes(packed[flat], bits) if packed.dtype is torch.uint8 else packed[flat]
    scales = scale[flat].repeat_interleave(size, -1)[:, : codes.shape[-1]]
    if zero is None:
        middle: Tensor | float = float(1 << bits - 1) if packed.dtype is torch.uint8 else 0.0
    else:
        points = _codes(zero.to(packed.device), bits) if packed.dtype is torch.uint8 else zero
        middle = points[flat][:, : scale.shape[1]].to(scale.dtype).repeat_interleave(size, -1)[:, : codes.shape[-1]]
    return ((codes.to(scale.dtype) - middle) * scales).reshape(*ids.shape, codes.shape[-1])


def _spread(each: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """Scales or zero points in the shape that meets x."""
    if each.dim() == 0 or each.numel() == 1:
        return each.reshape(())
    if each.dim() == 1:
        shape = [1] * x.dim()
        shape[axis] = -1
        return each.reshape(shape)
    return each.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])


def _dequantize(call: Call, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    x, scale = together(x, scale)
    axis, block = call.get("axis", 1), call.get("block_size", 0)
    made = x.to(scale.dtype)
    if zero is not None:
        made = made - _spread(zero.to(x.device).to(scale.dtype), x, axis, block)
    return made * _spread(scale, x, axis, block)


OPERATORS: dict[str, Operator] = {
    "DequantizeLinear": _dequantize,
    "com.microsoft.GatherBlockQuantized": _gather_blocks,
    "com.microsoft.MatMulNBits": _matmul_nbits,
}
