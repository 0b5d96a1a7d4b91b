"""The same pre- and postprocessing in numpy, outside the model: what the baked one is held to.

Written for itself, in float64, and not from the graph's own folding: x = (pixel * scale - mean) / std.
"""

from __future__ import annotations

import numpy as np

from ...runtimes.base import TensorInfo
from .codes import Coding, encode
from .site import channel_axis
from .spec import BakedInput, BakedOutput

__all__ = ["pixels_of", "postprocess", "preprocess", "resize_bilinear"]

# What float32 loses of a byte that was normalized is below 1e-4 of it; an image resized in floats is far above.
_WHOLE = 1e-3


def preprocess(pixels: np.ndarray, spec: BakedInput, model: TensorInfo) -> np.ndarray:
    """What the model took before, from what it takes now.

    Args:
        pixels: [N, H, W, C] or [N, C, H, W] as `spec` says, 0..255.
        spec: The steps.
        model: The input as the model had it.

    Returns:
        The model's dtype and layout.
    """
    x = pixels.astype(np.float64)
    if spec.layout == "nhwc":
        x = np.moveaxis(x, 3, 1)
    if spec.swaps:
        x = x[:, ::-1]
    axis = channel_axis(model)
    if spec.frame is not None:
        rows, columns = model.shape[2:] if axis == 1 else model.shape[1:3]
        assert isinstance(rows, int)
        assert isinstance(columns, int)
        x = resize_bilinear(x, rows, columns)
    mean, std = (np.asarray(each, np.float64).reshape(1, -1, 1, 1) for each in (spec.mean, spec.std))
    x = (x * spec.scale - mean) / std
    return np.ascontiguousarray(x if axis == 1 else np.moveaxis(x, 1, 3)).astype(model.dtype)


def resize_bilinear(x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """[N, C, h, w] → [N, C, rows, columns]: pixel centres at half, the border repeated, no antialiasing.

    Source of the coordinates: ONNX, operator Resize, `coordinate_transformation_mode = half_pixel`.
    """
    for axis, size in ((2, rows), (3, columns)):
        old = x.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, old - 1)
        share = (at - low).reshape([-1 if k == axis else 1 for k in range(4)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def pixels_of(values: np.ndarray, spec: BakedInput, model: TensorInfo) -> np.ndarray | None:
    """The bytes that preprocessing made `values` of; None where there are none, or they cannot be told.

    Args:
        values: As the model took them before.
        spec: The steps; a frame of another size cannot be told.
        model: The input as the model had it.
    """
    if spec.frame is not None:
        return None
    x = values.astype(np.float64) if channel_axis(model) == 1 else np.moveaxis(values.astype(np.float64), 3, 1)
    mean, std = (np.asarray(each, np.float64).reshape(1, -1, 1, 1) for each in (spec.mean, spec.std))
    x = (x * std + mean) / spec.scale
    whole = np.round(x)
    if not np.isfinite(x).all() or np.abs(x - whole).max() > _WHOLE or whole.min() < 0 or whole.max() > 255:
        return None
    if spec.swaps:
        whole = whole[:, ::-1]
    found = np.moveaxis(whole, 1, 3) if spec.layout == "nhwc" else whole
    return np.ascontiguousarray(found).astype(spec.dtype)


def postprocess(
    name: str, values: np.ndarray, spec: BakedOutput, coding: Coding | None = None
) -> dict[str, np.ndarray]:
    """What the model answers now, from what it answered before: one array, or two where the largest are taken.

    Args:
        name: The output.
        values: As the model answered before.
        spec: The steps.
        coding: How an embedding is coded; None is what `spec` says.
    """
    if spec.code is not None:
        return {name: encode(values, spec.code if coding is None else coding)}
    axis = (1 if spec.axis is None else spec.axis) % values.ndim
    if spec.softmax:
        wide = values.astype(np.float64)
        grown = np.exp(wide - wide.max(axis, keepdims=True))
        values = (grown / grown.sum(axis, keepdims=True)).astype(values.dtype)
    if spec.argmax:
        return {name: values.argmax(axis)}
    if spec.topk is None:
        return {name: values}
    # Stable: of equals the first comes first, as ONNX's TopK has it.
    order = np.take(np.argsort(-values.astype(np.float64), axis, kind="stable"), np.arange(spec.topk), axis)
    return {name: np.take_along_axis(values, order, axis), f"{name}_indices": order.astype(np.int64)}
