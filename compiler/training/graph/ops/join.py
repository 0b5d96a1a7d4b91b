"""Operators that put tensors together, cut them apart, or go around them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call
from ..steps import Operator
from .shape import axes_of, integers
from .together import together

__all__ = ["OPERATORS"]


def _concat(call: Call, *values: Tensor) -> Tensor:
    return torch.cat(together(*values), call.attributes.get("axis", 1))


def _split(call: Call, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = call.get("axis", 0)
    parts = call.integers("split") if sizes is None else integers(sizes)
    if parts is None:
        count = call.get("num_outputs", call.outputs)
        return tuple(x.split(math.ceil(x.shape[axis] / count), axis))
    return tuple(x.split(parts, axis))


def _slice(
    call: Call,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    begin = (call.integers("starts") if starts is None else integers(starts)) or []
    end = (call.integers("ends") if ends is None else integers(ends)) or []
    which = axes_of(call, axes) or list(range(len(begin)))
    step = integers(steps) or [1] * len(begin)
    for axis, first, last, by in zip(which, begin, end, step, strict=True):
        size = x.shape[axis]
        # Beyond either side is up to it; to the left of the first element is before all, going backwards.
        first = max(first + size, 0 if by > 0 else -1) if first < 0 else min(first, size if by > 0 else size - 1)
        last = max(last + size, 0 if by > 0 else -1) if last < 0 else min(last, size)
        if by == 1:
            x = x.narrow(axis, first, max(last - first, 0))
        else:
            x = x.index_select(axis, torch.arange(*_within(first, last, by), by, device=x.device))
    return x


def _within(first: int, last: int, by: int) -> tuple[int, int]:
    """Bounds of a range that may be empty."""
    return (first, max(first, last)) if by > 0 else (first, min(first, last))


def _pad(
    call: Call, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    how = call.get("mode", "constant")
    sides = (integers(pads) if pads is not None else call.integers("pads") or call.integers("paddings")) or []
    filled = value.item() if value is not None and value.numel() else call.get("value", 0.0)
    which = integers(axes) or list(range(x.dim()))
    count = len(which)
    for k, axis in enumerate(which):
        x = _pad_axis(x, axis % x.dim(), sides[k], sides[count + k], how, filled)
    return x


def _pad_axis(x: Tensor, axis: int, before: int, after: int, how: str, value: float) -> Tensor:
    cut = (max(-before, 0), x.shape[axis] - max(-after, 0))
    x = x.narrow(axis, cut[0], cut[1] - cut[0]) if cut != (0, x.shape[axis]) else x
    before, after = max(before, 0), max(after, 0)
    if not before and not after:
        return x
    if how == "constant":
        return functional.pad(x, [0, 0] * (x.dim() - 1 - axis) + [before, after], value=value)
    size = x.shape[axis]
    at = torch.arange(-before, size + after, device=x.device)
    if how == "edge":
        at = at.clamp(0, size - 1)
    elif how == "wrap":
        at = at % size
    else:  # reflect: the edge itself is not repeated
        period = max(2 * (size - 1), 1)
        at = at % period
        at = torch.where(at >= size, period - at, at)
    return x.index_select(axis, at)


OPERATORS: dict[str, Operator] = {"Concat": _concat, "Pad": _pad, "Slice": _slice, "Split": _split}
