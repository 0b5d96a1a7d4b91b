"""Operators that change shapes and types, and those that read them. Shapes are integers on the processor."""

from __future__ import annotations

import math

import onnx_ir as ir
import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from ..tensors import TORCH

__all__ = ["OPERATORS", "axes_of", "integers", "refuse_type"]


def integers(value: Tensor | None) -> list[int] | None:
    """A tensor of integers as a list; None stays None."""
    return None if value is None else [int(each) for each in value.reshape(-1).tolist()]


def axes_of(call: Call, given: Tensor | None) -> list[int] | None:
    """Axes: an input since operator set 13, an attribute before."""
    return call.integers("axes") if given is None else integers(given)


def _reshape(call: Call, x: Tensor, shape: Tensor | None = None) -> Tensor:
    dims = (integers(shape) if shape is not None else call.integers("shape")) or []
    if not call.get("allowzero", 0):
        dims = [x.shape[k] if dim == 0 else dim for k, dim in enumerate(dims)]
    if -1 in dims and x.numel() == 0:  # PyTorch cannot tell what -1 is where nothing is left to divide
        known = math.prod(dim for dim in dims if dim != -1)
        dims = [0 if dim == -1 and known else dim for dim in dims]
    return x.reshape(dims)


def _flatten(call: Call, x: Tensor) -> Tensor:
    axis = call.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _transpose(call: Call, x: Tensor) -> Tensor:
    order = call.integers("perm")
    return x.permute(order if order is not None else list(range(x.dim()))[::-1])


def _squeeze(call: Call, x: Tensor, axes: Tensor | None = None) -> Tensor:
    which = axes_of(call, axes)
    if which is None:
        which = [k for k, dim in enumerate(x.shape) if dim == 1]
    dropped = {axis % x.dim() for axis in which} if x.dim() else set()
    return x.reshape([dim for k, dim in enumerate(x.shape) if k not in dropped])


def _unsqueeze(call: Call, x: Tensor, axes: Tensor | None = None) -> Tensor:
    which = axes_of(call, axes) or []
    rank = x.dim() + len(which)
    for axis in sorted(each % rank for each in which):
        x = x.unsqueeze(axis)
    return x


def _shape(call: Call, x: Tensor) -> Tensor:
    start, end = call.get("start", 0), call.get("end")
    return torch.tensor(list(x.shape)[slice(start, end)], dtype=torch.int64)


def _size(call: Call, x: Tensor) -> Tensor:
    return torch.tensor(x.numel(), dtype=torch.int64)


def _expand(call: Call, x: Tensor, shape: Tensor) -> Tensor:
    dims = integers(shape) or []
    return x.expand(torch.broadcast_shapes(x.shape, dims))


def _tile(call: Call, x: Tensor, repeats: Tensor) -> Tensor:
    return x.repeat(integers(repeats) or [])


def _identity(call: Call, x: Tensor) -> Tensor:
    return x


def _dropout(call: Call, x: Tensor, *rest: Tensor | None) -> Tensor | tuple[Tensor, ...]:
    return x if call.outputs == 1 else (x, torch.ones_like(x, dtype=torch.bool))


def _cast(call: Call, x: Tensor) -> Tensor:
    return x.to(TORCH[ir.DataType(call.attributes["to"])])


def _cast_like(call: Call, x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)


def refuse_type(call: Call) -> str | None:
    """Where a type is asked for that PyTorch does not compute in."""
    wanted = ir.DataType(call.attributes["to"])
    narrow = (ir.DataType.INT4, ir.DataType.UINT4, ir.DataType.INT2, ir.DataType.UINT2)
    return f"values of {wanted.name} cannot be made" if wanted not in TORCH or wanted in narrow else None


def _depth_to_space(call: Call, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = call.attributes["blocksize"]
    if call.get("mode", "DCR") == "CRD":
        made = x.reshape(n, c // (b * b), b, b, h, w).permute(0, 1, 4, 2, 5, 3)
    else:
        made = x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
    return made.reshape(n, c // (b * b), h * b, w * b)


def _space_to_depth(call: Call, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = call.attributes["blocksize"]
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)


OPERATORS: dict[str, Operator] = {
    "Cast": _cast,
    "CastLike": _cast_like,
    "DepthToSpace": _depth_to_space,
    "Dropout": _dropout,
    "Expand": _expand,
    "Flatten": _flatten,
    "Identity": _identity,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
