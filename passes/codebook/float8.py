"""Numbers in eight bits of floating point: E4M3, one bit of sign, four of exponent, three of mantissa.

Micikevicius et al. 2022, "FP8 formats for deep learning", arXiv 2209.05433, table 1: to 448, without infinities
(`float8_e4m3fn`). A number is off by at most 1/16 of itself, from 2⁻⁶ of the scale on: where int8 has 127 steps of
the same size, these are the finer the smaller the number.
"""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np

from ..weight_only.packing import Packed

__all__ = ["LARGEST", "pack_float8"]

LARGEST = 448.0


def pack_float8(w: np.ndarray, summed: Sequence[int], *, per_channel: bool) -> Packed:
    """E4M3 codes with one scale for all elements along the summed axes, or one for all: s = max|w| / 448.

    Args:
        w: float32, any shape.
        summed: Its axes that share a scale.
        per_channel: Whether the other axes have scales of their own.

    Returns:
        Codes of the shape of `w`; scales with the summed axes at 1, or of shape ().
    """
    axes = tuple(summed) if per_channel else None
    largest = np.abs(w).max(axis=axes, keepdims=per_channel)
    scale = np.where(largest > 0, largest / np.float32(LARGEST), np.float32(1)).astype(np.float32)
    # A scale below the smallest normal number makes quotients above the largest code.
    codes = np.clip(w / np.maximum(scale, np.finfo(np.float32).tiny), -LARGEST, LARGEST)
    return Packed(codes=codes.astype(ml_dtypes.float8_e4m3fn), scale=np.asarray(scale))
