"""Norms and softmax."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..call import Call
from ..steps import Operator

__all__ = ["OPERATORS", "refuse_training"]


def _batch(call: Call, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    shape = (-1, *[1] * (x.dim() - 2))
    factor = scale / torch.sqrt(variance + call.get("epsilon", 1e-5))
    return x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)


def refuse_training(call: Call) -> str | None:
    """A norm that learns its statistics."""
    if call.get("training_mode", 0) or call.outputs > 1:
        return "it is in training mode; the statistics it has are used, not learned"
    return None


def _instance(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    axes = list(range(2, x.dim()))
    shape = (-1, *[1] * len(axes))
    return _standard(x, axes, call.get("epsilon", 1e-5)) * scale.reshape(shape) + bias.reshape(shape)


def _group(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = call.attributes["num_groups"]
    split = x.reshape(x.shape[0], groups, -1)
    made = _standard(split, [2], call.get("epsilon", 1e-5))
    shape = (1, -1, *[1] * (x.dim() - 2))
    if call.version < 21:  # scale and bias of groups, not of channels
        each = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return made.reshape(x.shape) * scale.reshape(shape) + bias.reshape(shape)


def _layer(call: Call, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
    axis = call.get("axis", -1) % x.dim()
    axes, epsilon = list(range(axis, x.dim())), call.get("epsilon", 1e-5)
    mean = x.mean(axes, keepdim=True)
    inverse = torch.rsqrt((x - mean).square().mean(axes, keepdim=True) + epsilon)
    made = (x - mean) * inverse * scale
    made = made if bias is None else made + bias
    return made if call.outputs == 1 else (made, mean, inverse)


def _rms(call: Call, x: Tensor, scale: Tensor) -> Tensor | tuple[Tensor, ...]:
    axis = call.get("axis", -1) % x.dim()
    inverse = torch.rsqrt(x.square().mean(list(range(axis, x.dim())), keepdim=True) + call.get("epsilon", 1e-5))
    made = x * inverse * scale
    return made if call.outputs == 1 else (made, inverse)


def _skip_layer(
    call: Call, x: Tensor, skip: Tensor, gamma: Tensor, beta: Tensor | None = None, bias: Tensor | None = None
) -> tuple[Tensor | None, ...]:
    total = x + skip if bias is None else x + skip + bias
    made = functional.layer_norm(total, total.shape[-1:], gamma, beta, call.get("epsilon", 1e-12))
    return made, None, None, total


def _skip_rms(
    call: Call, x: Tensor, skip: Tensor, gamma: Tensor, bias: Tensor | None = None
) -> tuple[Tensor | None, ...]:
    total = x + skip if bias is None else x + skip + bias
    inverse = torch.rsqrt(total.square().mean(-1, keepdim=True) + call.get("epsilon", 1e-12))
    return total * inverse * gamma, None, None, total


def _standard(x: Tensor, axes: list[int], epsilon: float) -> Tensor:
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).square().mean(axes, keepdim=True)
    return (x - mean) / torch.sqrt(variance + epsilon)


def _local_response(call: Call, x: Tensor) -> Tensor:
    size = call.attributes["size"]
    squares = x.square()
    before = (size - 1) // 2
    padded = functional.pad(squares, [0, 0] * (x.dim() - 2) + [before, size - 1 - before])
    total = sum(padded.narrow(1, k, x.shape[1]) for k in range(size))
    return x / (call.get("bias", 1.0) + call.get("alpha", 1e-4) / size * total) ** call.get("beta", 0.75)


def _lp(call: Call, x: Tensor) -> Tensor:
    axis = call.get("axis", -1)
    size = x.abs().sum(axis, keepdim=True) if call.get("p", 2) == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return torch.where(size == 0, torch.zeros_like(x), x / size)


def _mean_variance(call: Call, x: Tensor) -> Tensor:
    axes = call.integers("axes") or [0, 2, 3]
    mean = x.mean(axes, keepdim=True)
    deviation = torch.sqrt(x.square().mean(axes, keepdim=True) - mean.square())
    return (x - mean) / (deviation + 1e-9)


def _softmax(call: Call, x: Tensor) -> Tensor:
    if call.version >= 13:
        axis = call.get("axis", -1)
        return torch.log_softmax(x, axis) if call.op == "LogSoftmax" else torch.softmax(x, axis)
    axis = call.get("axis", 1)  # before 13: over all that is left of two dimensions
    flat = x.reshape(math.prod(x.shape[: axis % x.dim()]), -1)
    made = torch.log_softmax(flat, 1) if call.op == "LogSoftmax" else torch.softmax(flat, 1)
    return made.reshape(x.shape)


def _hardmax(call: Call, x: Tensor) -> Tensor:
    axis = call.get("axis", -1) if call.version >= 13 else call.get("axis", 1)
    shape = x.shape
    if call.version < 13:
        x, axis = x.reshape(math.prod(shape[: axis % x.dim()]), -1), 1
    made = torch.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1.0)
    return made.reshape(shape)


OPERATORS: dict[str, Operator] = {
    "BatchNormalization": _batch,
    "GroupNormalization": _group,
    "Hardmax": _hardmax,
    "InstanceNormalization": _instance,
    "LRN": _local_response,
    "LayerNormalization": _layer,
    "LogSoftmax": _softmax,
    "LpNormalization": _lp,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _rms,
    "SimplifiedLayerNormalization": _rms,
    "Softmax": _softmax,
    "com.microsoft.SkipLayerNormalization": _skip_layer,
    "com.microsoft.SkipSimplifiedLayerNormalization": _skip_rms,
}
