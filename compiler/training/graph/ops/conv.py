"""Convolutions of one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from ..call import Call
from ..steps import Operator

__all__ = ["OPERATORS", "begin_and_end"]
_CONV: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED: dict[int, Any] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def begin_and_end(
    call: Call, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[list[int], list[int]]:
    """What is padded before and after each spatial axis: ONNX's `pads` or `auto_pad`.

    Args:
        call: With the attributes.
        sizes: Of the input's spatial axes.
        kernel: One number an axis.
        strides: As the kernel.
        dilations: As the kernel.
    """
    axes, how = len(sizes), call.get("auto_pad", "NOTSET")
    if how == "VALID":
        return [0] * axes, [0] * axes
    if how == "NOTSET":
        pads = call.integers("pads") or [0] * 2 * axes
        return pads[:axes], pads[axes:]
    first, last = [], []
    for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        less, more = total // 2, total - total // 2
        first.append(less if how == "SAME_UPPER" else more)
        last.append(more if how == "SAME_UPPER" else less)
    return first, last


def _conv(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = x.dim() - 2
    strides = call.integers("strides") or [1] * axes
    dilations = call.integers("dilations") or [1] * axes
    first, last = begin_and_end(call, x.shape[2:], weight.shape[2:], strides, dilations)
    if first != last:
        x = functional.pad(x, [each for pair in zip(first[::-1], last[::-1], strict=True) for each in pair])
        first = [0] * axes
    return _CONV[axes](x, weight, bias, strides, first, dilations, call.get("group", 1))


def _transposed(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = x.dim() - 2
    strides = call.integers("strides") or [1] * axes
    dilations = call.integers("dilations") or [1] * axes
    extra = call.integers("output_padding") or [0] * axes
    # All of it, then what the pads cut off (ONNX 1.23, ConvTranspose: output_shape and auto_pad decide the pads).
    made = _TRANSPOSED[axes](x, weight, None, strides, 0, 0, call.get("group", 1), dilations)
    wanted, how = call.integers("output_shape"), call.get("auto_pad", "NOTSET")
    if wanted is not None:
        wanted = wanted[-axes:]
    elif how in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    for axis in range(axes):
        full = made.shape[2 + axis] + extra[axis]
        if wanted is not None:
            total = full - wanted[axis]
            first = total // 2 if how == "SAME_UPPER" else total - total // 2
            last = total - first
        else:
            pads = call.integers("pads") or [0] * 2 * axes
            first, last = pads[axis], pads[axes + axis]
        made = _cut(made, 2 + axis, first, full - last)
    return made if bias is None else made + bias.reshape(-1, *[1] * axes)


def _cut(x: Tensor, axis: int, first: int, last: int) -> Tensor:
    """Elements from first to last of an axis; beyond its end are zeros."""
    missing = last - x.shape[axis]
    if missing > 0:
        x = functional.pad(x, [0, 0] * (x.dim() - 1 - axis) + [0, missing])
    return x.narrow(axis, first, last - first)


OPERATORS: dict[str, Operator] = {"Conv": _conv, "ConvTranspose": _transposed}
