"""Resizing, axis after axis: each is a product with a matrix of weights, or a choice of elements.

Coordinates and kernels: ONNX 1.23, operator documentation of Resize; the cubic kernel is R. Keys' (1981), eq. 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..call import Call
from ..steps import Operator
from .shape import integers

__all__ = ["OPERATORS", "refuse_policy"]


def refuse_policy(call: Call) -> str | None:
    """Sizes that keep an aspect ratio."""
    kept = call.get("keep_aspect_ratio_policy", "stretch")
    return None if kept == "stretch" else f"keep_aspect_ratio_policy {kept!r} is not computed"


def _resize(
    call: Call, x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None
) -> Tensor:
    if call.version < 11:  # Resize 10 and Upsample 9: x, scales
        roi, scales = None, roi
    factors = scales.reshape(-1).tolist() if scales is not None and scales.numel() else None
    wanted = integers(sizes) if sizes is not None and sizes.numel() else None
    axes = call.integers("axes") or list(range(x.dim()))
    bounds = None if roi is None or not roi.numel() else roi.reshape(2, -1).tolist()
    for k, axis in enumerate(axes):
        size = x.shape[axis]
        if wanted is not None:
            out, factor = wanted[k], wanted[k] / size
        else:
            assert factors is not None
            out, factor = math.floor(size * factors[k]), factors[k]
        region = (0.0, 1.0) if bounds is None else (bounds[0][k], bounds[1][k])
        if out != size or factor != 1 or region != (0.0, 1.0):
            x = _along(call, x, axis % x.dim(), out, factor, region)
    return x


def _along(call: Call, x: Tensor, axis: int, out: int, factor: float, region: tuple[float, float]) -> Tensor:
    how = call.get("coordinate_transformation_mode", "half_pixel" if call.version >= 11 else "asymmetric")
    size = x.shape[axis]
    at = _coordinates(how, np.arange(out, dtype=np.float64), size, out, factor, region)
    mode = call.get("mode", "nearest")
    if mode == "nearest":
        rounded = _ROUNDED[call.get("nearest_mode", "round_prefer_floor" if call.version >= 11 else "floor")](at)
        chosen = torch.from_numpy(np.clip(rounded, 0, size - 1).astype(np.int64)).to(x.device)
        made = x.index_select(axis, chosen)
    else:
        weights = torch.from_numpy(_weights(call, mode, at, size, factor)).to(x.device, x.dtype)
        made = torch.matmul(x.transpose(axis, -1), weights.t()).transpose(axis, -1)
    if how == "tf_crop_and_resize":
        beyond = torch.from_numpy((at < 0) | (at > size - 1)).to(x.device)
        shape = [1] * x.dim()
        shape[axis] = -1
        made = torch.where(beyond.reshape(shape), torch.full_like(made, call.get("extrapolation_value", 0.0)), made)
    return made


def _coordinates(
    how: str, i: np.ndarray, size: int, out: int, factor: float, region: tuple[float, float]
) -> np.ndarray:
    """Where in the input each element of the output lies."""
    if how == "align_corners":
        return i * (size - 1) / (out - 1) if out > 1 else np.zeros_like(i)
    if how == "asymmetric":
        return i / factor
    if how == "pytorch_half_pixel":
        return (i + 0.5) / factor - 0.5 if out > 1 else np.zeros_like(i)
    if how == "half_pixel_symmetric":
        adjusted = out / (factor * size)
        centre = size / 2
        return centre * (1 - adjusted) + (i + 0.5) / factor - 0.5
    if how == "tf_half_pixel_for_nn":
        return (i + 0.5) / factor
    if how == "tf_crop_and_resize":
        start, end = region
        if out > 1:
            return start * (size - 1) + i * (end - start) * (size - 1) / (out - 1)
        return np.full_like(i, 0.5 * (start + end) * (size - 1))
    return (i + 0.5) / factor - 0.5


_ROUNDED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
}


def _weights(call: Call, mode: str, at: np.ndarray, size: int, factor: float) -> np.ndarray:
    """(out, in): how much of each element of the input goes into each of the output."""
    alpha = call.get("cubic_coeff_a", -0.75)
    kernel = _cubic(alpha) if mode == "cubic" else lambda d: np.maximum(1 - np.abs(d), 0)
    reach = 2 if mode == "cubic" else 1
    wide = max(1 / factor, 1.0) if call.get("antialias", 0) else 1.0
    made = np.zeros((len(at), size))
    for row, centre in enumerate(at):
        first = math.floor(centre - reach * wide) + 1 if wide == 1 else math.floor(centre - reach * wide)
        taps = np.arange(first, math.ceil(centre + reach * wide) + 1)
        weight = kernel((taps - centre) / wide)
        inside = (taps >= 0) & (taps < size)
        if call.get("exclude_outside", 0):
            weight = np.where(inside, weight, 0.0)
        weight = weight / weight.sum()
        np.add.at(made[row], np.clip(taps, 0, size - 1), weight)
    return made


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    def kernel(d: np.ndarray) -> np.ndarray:
        d = np.abs(d)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0.0))

    return kernel


OPERATORS: dict[str, Operator] = {"Resize": _resize, "Upsample": _resize}
