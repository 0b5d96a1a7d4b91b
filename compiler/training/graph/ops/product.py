"""Products of matrices and tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from .together import together

__all__ = ["OPERATORS"]


def _matmul(call: Call, a: Tensor, b: Tensor) -> Tensor:
    return torch.matmul(*together(a, b))


def _gemm(call: Call, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.t() if call.get("transA", 0) else a
    b = b.t() if call.get("transB", 0) else b
    made = torch.matmul(a, b)
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    made = made if alpha == 1 else alpha * made
    if c is None:
        return made
    return made + (c if beta == 1 else beta * c)


def _einsum(call: Call, *values: Tensor) -> Tensor:
    return torch.einsum(call.attributes["equation"].replace(" ", ""), *together(*values))


def _fused_matmul(call: Call, a: Tensor, b: Tensor) -> Tensor:
    a = a.transpose(-1, -2) if call.get("transA", 0) and a.dim() > 1 else a
    b = b.transpose(-1, -2) if call.get("transB", 0) and b.dim() > 1 else b
    return torch.matmul(a, b) * call.get("alpha", 1.0)


OPERATORS: dict[str, Operator] = {
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "com.microsoft.FusedMatMul": _fused_matmul,
}
