"""Rounding whose step is learned: what the quantized value is, and what its gradient is taken for.

Forward, as ONNX's QuantizeLinear and DequantizeLinear, in float32:

    q = saturate(round(x / s) + z),  x̂ = (q - z) s        round: half to even

Backward, the straight-through estimator and the step's gradient of LSQ (Esser et al., "Learned Step Size
Quantization", ICLR 2020, equations 2, 3 and 5), the zero point's of LSQ+ (Bhalgat et al., CVPR workshops 2020,
equations 5 and 6; theirs is an offset β = -s z, so ∂x̂/∂z = -s ∂x̂/∂β):

    ∂x̂/∂x = 1 inside, 0 where saturated
    ∂x̂/∂s = round(x / s) - x / s inside, q - z where saturated
    ∂x̂/∂z = 0 inside, -s where saturated

both times g = 1 / sqrt(N Qp), N the elements that share the step in one sample, Qp the number of steps (section 2.2).
"""

from __future__ import annotations

import math
from typing import Any

import torch

__all__ = ["fake_quantized", "gradient_scale", "whole"]


def fake_quantized(
    x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, qmin: int, qmax: int, gradient: float
) -> torch.Tensor:
    """x̂ of the equations above.

    Args:
        x: Float, any shape.
        scale: s, above 0; broadcasts against `x`.
        zero: z, whole numbers in floats; broadcasts against `x`.
        qmin: Smallest code.
        qmax: Largest code.
        gradient: g, by which the gradients of `scale` and `zero` are multiplied.

    Returns:
        Shape of `x`, float32.
    """
    made: torch.Tensor = _FakeQuantized.apply(x, scale, zero, qmin, qmax, gradient)
    return made


def gradient_scale(elements: int, steps: int) -> float:
    """How steps come to learn about as fast as weights, relative to their size: 1 / sqrt(N Qp), LSQ section 2.2.

    Args:
        elements: N, elements that share the step: of a weight; of one sample of an activation.
        steps: Qp.
    """
    return 1.0 / math.sqrt(max(1, elements) * max(1, steps))


def whole(x: torch.Tensor) -> torch.Tensor:
    """round(x), half to even; the gradient passes as if nothing had been rounded."""
    made: torch.Tensor = _Whole.apply(x)
    return made


class _FakeQuantized(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, qmin: int, qmax: int, gradient: float
    ) -> torch.Tensor:
        steps = x.float() / scale
        rounded = torch.round(steps)
        codes = rounded + zero
        level = codes.clamp(qmin, qmax) - zero
        if any(ctx.needs_input_grad[:3]):
            inside = (codes >= qmin) & (codes <= qmax)
            ctx.save_for_backward(inside, torch.where(inside, rounded - steps, level), scale)
            ctx.zero_shape, ctx.gradient, ctx.dtype = zero.shape, gradient, x.dtype
        return level * scale

    @staticmethod
    def backward(ctx: Any, given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inside, slope, scale = ctx.saved_tensors
        passed = given * inside
        of_scale = of_zero = None
        if ctx.needs_input_grad[1]:
            of_scale = (given * slope).sum_to_size(scale.shape) * ctx.gradient
        if ctx.needs_input_grad[2]:
            of_zero = ((passed - given) * scale).sum_to_size(ctx.zero_shape) * ctx.gradient
        return passed.to(ctx.dtype), of_scale, of_zero, None, None, None


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        del ctx
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, given: torch.Tensor) -> torch.Tensor:
        del ctx
        return given
