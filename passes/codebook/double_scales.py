"""Scales that are stored in eight bits themselves: QLoRA's double quantization.

    absmax ≈ codes * scale + mean, one scale for each run of 256 numbers

Dettmers et al. 2023, arXiv 2305.14314, section 3: the mean is taken out first, as magnitudes are positive; 32 bits for
each block of 64 weights, half a bit a weight, become 8 and 32 / 256. The paper stores 8-bit floats; these are
integers, so that a Cast, a Mul and an Add expand them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["DoubleScales", "double_scales"]

_RUN = 256
_LARGEST = 127


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DoubleScales:
    """Positive numbers in eight bits.

    Attributes:
        shape: Of the numbers.
        codes: int8, (R, 256); filled up with zeros.
        scale: float32, (R, 1).
        mean: float32, ().
    """

    shape: tuple[int, ...]
    codes: np.ndarray
    scale: np.ndarray
    mean: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """The numbers they stand for, float32."""
        flat = (self.codes.astype(np.float32) * self.scale + self.mean).reshape(-1)
        return np.asarray(flat[: int(np.prod(self.shape))].reshape(self.shape))


def double_scales(absmax: np.ndarray) -> DoubleScales:
    """Store positive numbers in eight bits; each is off by at most 1/254 of the largest distance from the mean.

    Args:
        absmax: float32, any shape.
    """
    mean = np.float32(absmax.mean())
    flat = (absmax - mean).reshape(-1)
    runs = np.pad(flat, (0, -flat.size % _RUN)).reshape(-1, _RUN)
    largest = np.abs(runs).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    codes = np.rint(runs / scale).astype(np.int8)
    return DoubleScales(shape=absmax.shape, codes=codes, scale=scale, mean=np.asarray(mean))
