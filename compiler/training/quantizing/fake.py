"""Modules that are put on the edges of a graph: what a Q/DQ pair makes of a value, with params that are learned."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from ....errors import ModelError
from ....passes.spec import PerAxis, PerBlock, PerTensor, QuantParams
from .lsq import fake_quantized, gradient_scale, whole

__all__ = ["FakeBias", "FakeQuantize", "SameParams"]

_TINY = float(np.finfo(np.float32).tiny)


class FakeQuantize(nn.Module):
    """A value as its Q/DQ pair gives it; scale, and where nothing pins it the zero point, are learned.

    The parameters are `scale` (s) and `lowest` (β, the real number that the smallest code stands for; zero point
    z = round(qmin - β / s), whole and within the codes whenever it is used). Without `lowest` there is a buffer
    `zero_point`.

    Args:
        value: Name of the value, for messages.
        params: Where learning starts: what calibration gave.
        learned: The scale is a parameter; else it is what the value is by definition (a Sigmoid's range).
        offset: The zero point is learned, too.
        largest: No scale is larger; None is no bound.
        batched: The first axis is that of samples: they do not count as elements that share a scale.
        kept: Of a weight with zeros that stay (pruned, or channels that were added): where it is none; else None.
    """

    def __init__(
        self,
        value: str,
        params: QuantParams,
        *,
        learned: bool = True,
        offset: bool = False,
        largest: float | None = None,
        batched: bool = True,
        kept: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("kept", None if kept is None else torch.from_numpy(kept), persistent=False)
        self.value, self.spec, self.largest, self.batched = value, params.spec, largest, batched
        scale = torch.from_numpy(np.array(params.scale, np.float32))
        zero = torch.from_numpy(np.array(params.zero_point, np.float32))
        if learned:
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)
        if learned and offset:
            self.lowest = nn.Parameter((self.spec.qmin - zero) * scale)
        else:
            self.register_buffer("zero_point", zero)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The value rounded: shape of `x`, float32."""
        if self.kept is not None:
            x = x * self.kept
        scale, zero = self.learned()
        steps = self.spec.qmax if self.spec.symmetric else self.spec.qmax - self.spec.qmin
        gradient = gradient_scale(self._elements(x), steps)
        match self.spec.granularity:
            case PerAxis(axis=axis):
                shape = [-1 if k == axis % x.ndim else 1 for k in range(x.ndim)]
                scale, zero = scale.reshape(shape), zero.reshape(shape)
            case PerBlock(axis=axis, size=size):
                at, length = axis % x.ndim, x.shape[axis]
                scale, zero = (each.repeat_interleave(size, dim=at).narrow(at, 0, length) for each in (scale, zero))
        return fake_quantized(x, scale, zero, self.spec.qmin, self.spec.qmax, gradient)

    def learned(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and zero point as they count now, gradients attached."""
        scale = self.scale.clamp(_TINY, self.largest)
        if "zero_point" in self._buffers:
            return scale, self.zero_point
        return scale, whole(self.spec.qmin - self.lowest / scale).clamp(self.spec.qmin, self.spec.qmax)

    @torch.no_grad()
    def params(self) -> QuantParams:
        """The params as arrays: exactly what `forward` uses.

        Raises:
            ModelError: Training left no scale there.
        """
        scale, zero = self.learned()
        found, given = scale.cpu().numpy(), self.scale.detach().cpu().numpy()
        if not (np.isfinite(given).all() and (given > 0).all() and torch.isfinite(zero).all()):
            bad = given[~(np.isfinite(given) & (given > 0))]
            told = f"its scale is {float(bad.reshape(-1)[0]):g}" if bad.size else "its zero point is not finite"
            raise ModelError(
                f"value {self.value!r}",
                f"cannot be quantized as it was trained: {told}",
                affects="A scale is above 0 and finite",
                remedy="Train with a smaller learning rate, or resume from an earlier checkpoint",
            )
        zeros = zero.cpu().numpy().astype(self.spec.numpy_dtype)
        return QuantParams(spec=self.spec, scale=found.astype(np.float32), zero_point=zeros)

    def extra_repr(self) -> str:
        """What `print(module)` says."""
        bits = self.spec.code_bits or self.spec.bits
        return f"{self.value}, {self.spec.dtype}, {bits} bits, {tuple(self.scale.shape) or 'one scale'}"

    def _elements(self, x: torch.Tensor) -> int:
        samples = x.shape[0] if self.batched and x.ndim > 1 else 1
        match self.spec.granularity:
            case PerTensor():
                return x.numel() // max(1, samples)
            case PerBlock(size=size):
                return size
        return math.ceil(x.numel() / max(1, samples * self.scale.numel()))


class SameParams(nn.Module):
    """A value that shares the params of another, which holds them.

    Args:
        owner: The module of the other value.
    """

    def __init__(self, owner: FakeQuantize) -> None:
        super().__init__()
        self.__dict__["_owner"] = owner  # its own in no state dict

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the owner does."""
        made: torch.Tensor = self._owner(x)
        return made


class FakeBias(nn.Module):
    """A bias in int32 at s_x s_w, whose scale follows; the gradient of the rounding is that of no rounding.

    Args:
        activation: Of what the bias is added to the product of.
        weight: Of the other factor.
    """

    def __init__(self, activation: FakeQuantize, weight: FakeQuantize) -> None:
        super().__init__()
        self.__dict__["_factors"] = (activation, weight)

    def forward(self, bias: torch.Tensor) -> torch.Tensor:
        """The bias rounded; shape of `bias`, or of the scales where one number is for all."""
        with torch.no_grad():
            x, w = (each.learned()[0] for each in self._factors)
            scale = (x * w).double()
            codes = torch.round(bias.double() / scale).clamp(-(2**31 - 1), 2**31 - 1)
            rounded = (codes * scale).float()
        made: torch.Tensor = _Instead.apply(bias.expand_as(rounded), rounded)
        return made


class _Instead(torch.autograd.Function):
    """Another value in its place, its gradient unchanged."""

    @staticmethod
    def forward(ctx: object, x: torch.Tensor, instead: torch.Tensor) -> torch.Tensor:
        del ctx, x
        return instead.clone()

    @staticmethod
    def backward(ctx: object, given: torch.Tensor) -> tuple[torch.Tensor, None]:
        del ctx
        return given, None
