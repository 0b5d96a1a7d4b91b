"""Weights as narrow codes and scales: pure functions on arrays.

w ≈ c * s, symmetric, s shared by the elements along the summed axes or by blocks of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..quantize.params import of_tensor, quantize
from ..spec import PerAxis, PerTensor, QuantParams, QuantSpec

__all__ = ["Packed", "block_length", "pack", "pack_blocks"]

# A block of fewer elements spends too much on its scale; one of more loses the point of blocks.
_SHORTEST = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Packed:
    """A weight in narrow codes.

    Attributes:
        codes: Integers; the weight's shape, or that of the blocks.
        scale: float32; broadcasts against `codes`.
    """

    codes: np.ndarray
    scale: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes in the file, two 4-bit codes in one."""
        bits = 4 if self.codes.dtype.name == "int4" else 8
        return -(-self.codes.size * bits // 8) + self.scale.nbytes


def pack(w: np.ndarray, summed: Sequence[int], dtype: str, *, per_channel: bool, reduce_range: bool = False) -> Packed:
    """int8 or int4 codes with one scale for all elements along the summed axes, or one for all.

    |w - c s| ≤ s / 2, s = max|w| / qmax.

    Args:
        w: float32, any shape.
        summed: Its axes that share a scale.
        dtype: `int8` or `int4`.
        per_channel: Whether the other axes have scales of their own.
        reduce_range: One bit less, for kernels that saturate.

    Returns:
        Codes of the shape of `w`; scales with the summed axes at 1, or of shape ().
    """
    if not per_channel:
        params = of_tensor(QuantSpec(dtype=dtype, symmetric=True, reduce_range=reduce_range), w)
        return Packed(codes=quantize(w, params), scale=params.scale)
    kept = [k for k in range(w.ndim) if k not in summed]
    rows = w.transpose(*kept, *summed)
    channels = rows.shape[: len(kept)]
    matrix = rows.reshape(int(np.prod(channels)), -1)
    spec = QuantSpec(dtype=dtype, granularity=PerAxis(axis=0), symmetric=True, reduce_range=reduce_range)
    params = of_tensor(spec, matrix)
    back = np.argsort([*kept, *summed])
    return Packed(
        codes=np.ascontiguousarray(quantize(matrix, params).reshape(rows.shape).transpose(back)),
        scale=params.scale.reshape([1 if k in summed else size for k, size in enumerate(w.shape)]),
    )


def pack_blocks(w: np.ndarray, summed: Sequence[int], size: int) -> Packed | None:
    """int4 codes with one scale for each block of elements along the summed axes, searched for the least error.

    Args:
        w: float32, any shape.
        summed: Its axes that share scales; next to each other.
        size: Elements of a block.

    Returns:
        Codes (L, n/B, B, T) and scales (L, n/B, 1, T), L and T the axes before and behind the summed ones, which
        a Reshape to the weight's shape undoes; None where the summed axes have no blocks.
    """
    first, last = min(summed), max(summed)
    if last - first + 1 != len(summed):
        return None
    length = int(np.prod(w.shape[first : last + 1]))
    block = block_length(length, size)
    if block is None:
        return None
    lead, tail = int(np.prod(w.shape[:first])), int(np.prod(w.shape[last + 1 :]))
    blocks = w.reshape(lead, length // block, block, tail)
    scale = _search_scale(blocks, axis=2)
    spec = QuantSpec(dtype="int4", granularity=PerTensor(), symmetric=False)
    params = QuantParams(spec=spec, scale=scale, zero_point=np.zeros((), spec.numpy_dtype))
    return Packed(codes=quantize(blocks, params), scale=scale)


def block_length(length: int, size: int) -> int | None:
    """The longest divisor of `length` between 16 and `size`; None when there is none."""
    return next((b for b in range(min(size, length), _SHORTEST - 1, -1) if length % b == 0), None)


def _search_scale(blocks: np.ndarray, axis: int) -> np.ndarray:
    """The scale of each block with the least squared error, among s = w* / m for some m around -8 and 7.

    w* is the element of largest magnitude: a negative m stores it on the side of int4 that has one code more, as
    llama.cpp's Q4_0 does (ggml-quants.c, quantize_row_q4_0_ref); beyond the range it is clipped.
    """
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=axis, keepdims=True), axis=axis)
    best = np.where(extreme == 0, 1.0, extreme / -8).astype(np.float32)
    least = _error(blocks, best, axis)
    for steps in (-9.0, -8.5, -7.5, -7.0, -6.5, 6.0, 6.5, 7.0, 7.5):
        scale = np.where(extreme == 0, 1.0, extreme / steps).astype(np.float32)
        error = _error(blocks, scale, axis)
        better = error < least
        best, least = np.where(better, scale, best), np.where(better, error, least)
    return np.where(np.abs(best) < np.finfo(np.float32).tiny, np.float32(1), best)


def _error(blocks: np.ndarray, scale: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        codes = np.clip(np.rint(blocks / scale), -8, 7)
        error: np.ndarray = np.square(codes * scale - blocks).sum(axis=axis, keepdims=True)
    return np.where(np.isfinite(error), error, np.float32(np.inf))
