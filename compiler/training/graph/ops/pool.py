"""Pooling. What lies beyond the input is padded first, so that PyTorch's windows are ONNX's."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call
from ..steps import Operator
from .conv import begin_and_end

__all__ = ["OPERATORS", "refuse_indices"]
_MAX: dict[int, Any] = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_CONV: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def _windows(call: Call, x: Tensor) -> tuple[list[int], list[int], list[int], list[int], list[int], list[int]]:
    """Kernel, strides, dilations, pads before and after, and what `ceil_mode` adds after them."""
    kernel = call.integers("kernel_shape") or []
    axes = len(kernel)
    strides = call.integers("strides") or [1] * axes
    dilations = call.integers("dilations") or [1] * axes
    first, last = begin_and_end(call, x.shape[2:], kernel, strides, dilations)
    extra = [0] * axes
    if call.get("ceil_mode", 0):
        for k in range(axes):
            room = x.shape[2 + k] + first[k] + last[k] - dilations[k] * (kernel[k] - 1) - 1
            steps = math.ceil(room / strides[k])
            if steps * strides[k] >= x.shape[2 + k] + first[k]:  # the last window would begin after the input
                steps -= 1
            extra[k] = max(steps * strides[k] - room, 0)
    return kernel, strides, dilations, first, last, extra


def _padded(x: Tensor, first: list[int], last: list[int], value: float) -> Tensor:
    if not any(first) and not any(last):
        return x
    return functional.pad(x, [each for k in reversed(range(len(first))) for each in (first[k], last[k])], value=value)


def _max_pool(call: Call, x: Tensor) -> Tensor:
    kernel, strides, dilations, first, last, extra = _windows(call, x)
    floor = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    x = _padded(x, first, [a + b for a, b in zip(last, extra, strict=True)], floor)
    return _MAX[len(kernel)](x, kernel, strides, 0, dilations)


def _average_pool(call: Call, x: Tensor) -> Tensor:
    kernel, strides, dilations, first, last, extra = _windows(call, x)
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    inside = 1.0 if call.get("count_include_pad", 0) else 0.0
    counted = _padded(_padded(counted, first, last, inside), [0] * len(kernel), extra, 0.0)
    x = _padded(x, first, [a + b for a, b in zip(last, extra, strict=True)], 0.0)
    return _sums(x, kernel, strides, dilations) / _sums(counted, kernel, strides, dilations)


def _sums(x: Tensor, kernel: list[int], strides: list[int], dilations: list[int]) -> Tensor:
    ones = torch.ones((1, 1, *kernel), dtype=x.dtype, device=x.device)
    flat = x.reshape(-1, 1, *x.shape[2:])
    made = _CONV[len(kernel)](flat, ones, None, strides, 0, dilations)
    return made.reshape(*x.shape[:2], *made.shape[2:])


def _lp_pool(call: Call, x: Tensor) -> Tensor:
    kernel, strides, dilations, first, last, extra = _windows(call, x)
    p = call.get("p", 2)
    x = _padded(x, first, [a + b for a, b in zip(last, extra, strict=True)], 0.0)
    return _sums(x.abs() ** p, kernel, strides, dilations) ** (1 / p)


def _spatial(x: Tensor) -> list[int]:
    return list(range(2, x.dim()))


def _global_average(call: Call, x: Tensor) -> Tensor:
    return x.mean(_spatial(x), keepdim=True)


def _global_max(call: Call, x: Tensor) -> Tensor:
    return x.amax(_spatial(x), keepdim=True)


def _global_lp(call: Call, x: Tensor) -> Tensor:
    p = call.get("p", 2)
    return (x.abs() ** p).sum(_spatial(x), keepdim=True) ** (1 / p)


def refuse_indices(call: Call) -> str | None:
    """Where the places of maxima are asked for."""
    return "its second output, the places of the maxima, is not computed" if call.outputs > 1 else None


OPERATORS: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalLpPool": _global_lp,
    "GlobalMaxPool": _global_max,
    "LpPool": _lp_pool,
    "MaxPool": _max_pool,
}
