"""The last bit of integer kernels: by which arithmetic their sums become codes.

A value between two codes goes one way or the other by the last bit of a float, and a step of 4 bits is a sixteenth of
all there is. So where no gradient is asked for, the module computes as ONNX Runtime's CPU kernels do (MLAS, 1.31.1):
exact sums, brought to codes in float32 by the expressions below. What has no function here is computed in float and may
land a step off where it lies between two codes.
"""

from __future__ import annotations

import torch

__all__ = ["brought_back", "mean_of", "sum_of"]


def brought_back(y: torch.Tensor, x: torch.Tensor, w: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """round(sum · (s_x s_w / s_y)) s_y: products of QLinearConv, QGemm and QLinearMatMul, bias included.

    `MlasRequantizeOutput` (requantize), its factor as `QLinearConv::ComputeOutputScale` has it.

    Args:
        y: What the node computes in float: whole multiples of s_x s_w, but for float's rounding.
        x: Scale of the activation.
        w: Scales of the weight, shaped to broadcast against `y`.
        out: Scale of the result.
    """
    product = x * w
    sums = torch.round(y / product)
    return torch.round(sums * (product / out)) * out


def sum_of(
    a: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    b: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    out: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """round(q_a s_a/s_c + (q_b s_b/s_c + z_c - (z_a s_a/s_c + z_b s_b/s_c))), fused multiply-adds: QLinearAdd.

    `MlasQLinearAddKernelAvx2Helper` (qladd_avx2.cpp). ARM adds in fixed point instead.

    Args:
        a: The first operand as it is read (real numbers of the codes), its scale and zero point.
        b: The second.
        out: Scale and zero point of the sum.

    Returns:
        The real numbers of the codes, not saturated.
    """
    (x, x_scale, x_zero), (y, y_scale, y_zero), (scale, zero) = a, b, out
    of_x, of_y = x_scale / scale, y_scale / scale
    fixed = zero - (of_x * x_zero + of_y * y_zero)
    x_codes, y_codes = torch.round(x / x_scale) + x_zero, torch.round(y / y_scale) + y_zero
    part = (y_codes.double() * of_y.double() + fixed.double()).float()
    whole = (x_codes.double() * of_x.double() + part.double()).float()
    return (torch.round(whole) - zero) * scale


def mean_of(y: torch.Tensor, count: int, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """round(sum · s_x / (s_y n)) s_y: QLinearGlobalAveragePool (qlgavgpool.cpp).

    Args:
        y: The mean in float.
        count: n, elements that each mean is of.
        x: Scale of the activation.
        out: Scale of the result.
    """
    sums = torch.round(y * count / x)
    return torch.round(sums * (x / (out * float(count)))) * out
