"""Operators that make tensors of nothing but a shape or bounds."""

from __future__ import annotations

import onnx_ir as ir
import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from ..tensors import TORCH, to_torch
from .shape import integers

__all__ = ["OPERATORS"]


def _constant_of_shape(call: Call, shape: Tensor) -> Tensor:
    given = call.get("value")
    value = torch.zeros(1) if given is None else to_torch(given)
    return value.reshape(()).expand(integers(shape) or []).clone()


def _range(call: Call, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _eye(call: Call, x: Tensor) -> Tensor:
    wanted = call.get("dtype")
    dtype = x.dtype if wanted is None else TORCH[ir.DataType(wanted)]
    rows, columns = x.shape
    made = torch.zeros(rows, columns, dtype=dtype)
    made.diagonal(call.get("k", 0)).fill_(1)
    return made


OPERATORS: dict[str, Operator] = {"ConstantOfShape": _constant_of_shape, "EyeLike": _eye, "Range": _range}
