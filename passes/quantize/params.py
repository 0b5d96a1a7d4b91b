"""Scale and zero point from ranges and tensors: pure functions on arrays.

real = (stored - zero_point) * scale, as ONNX QuantizeLinear has it.
"""

from __future__ import annotations

import numpy as np

from ..spec import PerAxis, PerBlock, PerTensor, QuantParams, QuantSpec

__all__ = [
    "bias_params",
    "dequantize",
    "expand",
    "from_range",
    "grid_step",
    "of_tensor",
    "quantize",
    "recode",
    "widen_for_bias",
]

# Half of int32: the other half is for the products summed onto a bias.
_BIAS_MAX = 2**30


def from_range(spec: QuantSpec, low: np.ndarray, high: np.ndarray) -> QuantParams:
    """Params that cover [low, high] and represent 0 exactly.

    asymmetric: s = (max(high, 0) - min(low, 0)) / (qmax - qmin), z = round(qmin - min(low, 0) / s)
    symmetric:  s = max(|low|, |high|) / qmax, z = 0

    A range of zero width (the value was 0 on every sample) gets s = 1: nothing is lost on it.
    s is rounded to float32 downwards, so that low and high are stored as qmin and qmax: with 2 / 255 rounded up,
    -1 and 1 would be codes 0 and 254, and a Clip(-1, 1) could not be left to saturation.

    Args:
        spec: What was asked.
        low: Smallest real values, float, shape of the scale.
        high: Largest real values, same shape.

    Returns:
        Params with float32 scales.
    """
    low = np.minimum(np.asarray(low, np.float64), 0.0)
    high = np.maximum(np.asarray(high, np.float64), 0.0)
    scale = np.maximum(-low, high) / spec.qmax if spec.symmetric else (high - low) / (spec.qmax - spec.qmin)
    # A subnormal scale turns x / scale into inf.
    scale = _to_float32(np.where(scale < np.finfo(np.float32).tiny, 1.0, scale), up=False)
    zero = np.zeros_like(low) if spec.symmetric else np.clip(np.round(spec.qmin - low / scale), spec.qmin, spec.qmax)
    return QuantParams(spec=spec, scale=scale, zero_point=zero.astype(spec.numpy_dtype))


def recode(params: QuantParams, spec: QuantSpec) -> QuantParams:
    """Params of another width that cover the same range: an 8-bit code c becomes the 16-bit code 257 c, exactly.

    Args:
        params: One scale.
        spec: What is asked instead; both are asymmetric.
    """
    zero, scale = params.zero_point.astype(np.float64), params.scale.astype(np.float64)
    return from_range(spec, (params.spec.qmin - zero) * scale, (params.spec.qmax - zero) * scale)


def of_tensor(spec: QuantSpec, x: np.ndarray) -> QuantParams:
    """Params that cover a constant tensor at the spec's granularity.

    Args:
        spec: What was asked.
        x: float tensor; its shape must fit the granularity.

    Returns:
        Params whose scale has shape (), (channels,) or that of the blocks.
    """
    match spec.granularity:
        case PerTensor():
            low, high = x.min(initial=0.0), x.max(initial=0.0)
        case PerAxis(axis=axis):
            others = tuple(k for k in range(x.ndim) if k != axis % x.ndim)
            low, high = x.min(axis=others, initial=0.0), x.max(axis=others, initial=0.0)
        case PerBlock(axis=axis, size=size):
            blocks = _blocks(x, axis % x.ndim, size)
            low, high = blocks.min(axis=axis % x.ndim + 1), blocks.max(axis=axis % x.ndim + 1)
    params = from_range(spec, np.asarray(low), np.asarray(high))
    step = grid_step(x) if spec.symmetric and not isinstance(spec.granularity, PerBlock) else None
    if step is None:
        return params
    # Channels that fit at the old step keep their integers; the others are rounded as any weight is.
    fits = params.scale * spec.qmax <= step * (spec.qmax + 1e-3)
    return QuantParams(
        spec=spec, scale=np.where(fits, step, params.scale).astype(np.float32), zero_point=params.zero_point
    )


def grid_step(x: np.ndarray) -> np.float32 | None:
    """The step g when every element is a multiple of one g: weights that were integers before, else None.

    Models that went through another int8 format (TFLite, a first quantization) are full of them; at their own
    step they are stored without any error, at max|w| / 127 they are rounded a second time.

    g is the smallest gap between a few thousand elements, accepted when all elements lie within g / 256 of a
    multiple of it and none is further than 2^15 steps from 0.
    """
    sample = np.unique(np.abs(x.reshape(-1)[:: max(1, x.size // 4096)][:4096]))
    gaps = np.diff(sample)
    largest = sample[-1] if sample.size else np.float32(0)
    gaps = gaps[gaps > largest * 2.0**-15]
    if x.size < 16 or gaps.size == 0:
        return None
    guess = float(gaps.min())
    # The gap of two float32 is coarse; the largest element, a known number of steps away from 0, is not.
    step = np.float32(largest / max(1.0, np.rint(largest / guess)))
    for part in (sample, x):  # the few first: nearly every tensor is refused there
        steps = np.empty(part.shape, np.float32)
        np.divide(part, step, out=steps)
        np.subtract(steps, np.rint(steps), out=steps)
        if max(steps.max(initial=0.0), -steps.min(initial=0.0)) > 1 / 256:
            return None
    return step


def quantize(x: np.ndarray, params: QuantParams) -> np.ndarray:
    """round(x / s) + z, saturated; rounds half to even as QuantizeLinear does.

    Args:
        x: float tensor.
        params: Its params.

    Returns:
        The stored integers, shape of `x` (or of the scales, for one bias shared by all channels), the spec's dtype.
    """
    scale, zero = expand(params, x)
    # float32 as the kernel; but it holds no int32: there 2**31 - 1 would round up and wrap around.
    wide = np.float64 if params.spec.dtype == "int32" else np.float32
    # One working array, changed in place: weights are the largest thing there is.
    codes = np.empty(np.broadcast_shapes(x.shape, scale.shape), wide)
    np.divide(x, scale.astype(wide), out=codes)
    np.rint(codes, out=codes)
    if zero.any():
        codes += zero
    np.clip(codes, params.spec.qmin, params.spec.qmax, out=codes)
    return codes.astype(params.spec.numpy_dtype)


def dequantize(codes: np.ndarray, params: QuantParams) -> np.ndarray:
    """(q - z) * s in float32."""
    scale, zero = expand(params, codes)
    real: np.ndarray = ((codes.astype(np.float32) - zero) * scale).astype(np.float32)
    return real


def bias_params(activation: QuantParams, weight: QuantParams) -> QuantParams:
    """int32 params of a bias: s_b = s_x * s_w per channel, z = 0 (ONNX QLinearConv)."""
    scale = np.asarray(activation.scale * weight.scale, np.float32)
    spec = QuantSpec(dtype="int32", granularity=PerAxis(axis=0) if scale.ndim else PerTensor(), symmetric=True)
    return QuantParams(spec=spec, scale=scale, zero_point=np.zeros(scale.shape, np.int32))


def widen_for_bias(weight: QuantParams, activation: QuantParams, bias: np.ndarray) -> QuantParams:
    """Raise weight scales until every bias fits half of int32 at s_x * s_w.

    A dead channel (weights near 0) with an ordinary bias would overflow; its scale may grow freely,
    since its weights carry nothing.
    """
    floor = np.abs(bias.astype(np.float64)) / (float(activation.scale) * _BIAS_MAX)
    if weight.scale.ndim == 0:
        floor = floor.max(initial=0.0)
    scale = _to_float32(np.maximum(weight.scale.astype(np.float64), floor), up=True)
    return QuantParams(spec=weight.spec, scale=scale, zero_point=weight.zero_point)


def _to_float32(x: np.ndarray, *, up: bool) -> np.ndarray:
    """`x` rounded to float32 towards +inf or -inf."""
    nearest = np.asarray(x, np.float64).astype(np.float32)
    beyond = nearest < x if up else nearest > x
    step = np.nextafter(nearest, np.float32(np.inf if up else -np.inf))
    rounded: np.ndarray = np.where(beyond, step, nearest)
    return rounded


def _blocks(x: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Split `axis` into (blocks, size); the last block is padded with zeros, which every range holds."""
    missing = -x.shape[axis] % size
    if missing:
        x = np.pad(x, [(0, missing if k == axis else 0) for k in range(x.ndim)])
    return x.reshape(*x.shape[:axis], -1, size, *x.shape[axis + 1 :])


def expand(params: QuantParams, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point broadcast against `x`."""
    scale, zero = params.scale, params.zero_point.astype(np.float32)
    match params.spec.granularity:
        case PerTensor():
            return scale, zero
        case PerAxis(axis=axis):
            shape = tuple(-1 if k == axis % x.ndim else 1 for k in range(x.ndim))
            return scale.reshape(shape), zero.reshape(shape)
        case PerBlock(axis=axis, size=size):
            axis %= x.ndim
            spread = [np.repeat(a, size, axis=axis).take(range(x.shape[axis]), axis=axis) for a in (scale, zero)]
            return spread[0], spread[1]
