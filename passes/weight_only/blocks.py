"""A matrix in blocks: the value every weight-only method makes, and every stored form is written from.

    W (N, K) ≈ (codes - zero) * scale, one scale and zero point for each run of `size` elements along K

The last block of a row may be shorter than the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["BlockForm", "Blocks", "codes_in", "kernel_bytes"]

_BITS = (2, 3, 4, 8)


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockForm:
    """How a matrix is asked to be stored.

    Attributes:
        bits: Of a code: 2, 3, 4 or 8.
        size: Elements along K that share a scale; 0 is all of a row.
        symmetric: The zero point is the middle of the codes, 2^(bits - 1); else every block has its own.

    Raises:
        ValueError: There are no such codes, or fewer than no elements.
    """

    bits: int
    size: int
    symmetric: bool = True

    def __post_init__(self) -> None:
        if self.bits not in _BITS:
            raise ValueError(f"bits: {self.bits} is not one of {', '.join(map(str, _BITS))}")
        if self.size < 0:
            raise ValueError(f"size: {self.size} is below 0")

    @property
    def largest(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    def blocks_of(self, columns: int) -> int:
        """How many blocks a row of so many elements has."""
        return -(-columns // self.size) if self.size else 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Blocks:
    """A matrix as it is stored.

    Attributes:
        form: Bits, size of a block, whether blocks have zero points of their own.
        codes: uint8, (N, K), from 0 to 2^bits - 1.
        scale: float32, (N, G), G blocks in a row.
        zero: uint8, (N, G); None where the form is symmetric: 2^(bits - 1).
    """

    form: BlockForm
    codes: np.ndarray
    scale: np.ndarray
    zero: np.ndarray | None = None

    @property
    def real(self) -> np.ndarray:
        """What the codes stand for, float32, (N, K): as the kernel computes it, (code - zero) * scale."""
        size = self.form.size or self.codes.shape[1]
        zero = np.float32(1 << (self.form.bits - 1)) if self.zero is None else self._spread(self.zero, size)
        real: np.ndarray = (self.codes.astype(np.float32) - zero) * self._spread(self.scale, size)
        return real

    def _spread(self, each: np.ndarray, size: int) -> np.ndarray:
        return np.repeat(each.astype(np.float32), size, axis=1)[:, : self.codes.shape[1]]

    @property
    def nbytes(self) -> int:
        """Bytes of codes, scales and zero points, codes side by side."""
        zeros = 0 if self.zero is None else self.zero.shape[0] * -(-self.zero.shape[1] * self.form.bits // 8)
        return -(-self.codes.size * self.form.bits // 8) + self.scale.nbytes + zeros


def kernel_bytes(codes: np.ndarray, bits: int, fill: int) -> np.ndarray:
    """Codes side by side in bytes, the first in the lowest bits: how `MatMulNBits` reads weights and zero points.

    ONNX Runtime 1.31.1, contrib operator documentation, `MatMulNBits`, inputs `B` and `zero_points`.

    Args:
        codes: uint8, (..., n).
        bits: Of a code: 2, 4 or 8.
        fill: The code that fills the last byte.

    Returns:
        uint8, (..., ceil(n * bits / 8)).
    """
    each = 8 // bits
    missing = -codes.shape[-1] % each
    padded = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, missing)], constant_values=fill)
    parts = padded.reshape(*codes.shape[:-1], -1, each)
    made = np.zeros(parts.shape[:-1], np.uint8)
    for k in range(each):
        made |= parts[..., k] << np.uint8(bits * k)
    return made


def codes_in(packed: np.ndarray, bits: int) -> np.ndarray:
    """Codes laid side by side in bytes, taken apart again: the way back from `kernel_bytes`.

    Args:
        packed: uint8, (..., n).
        bits: Of a code: 2, 4 or 8.

    Returns:
        uint8, (..., n * 8 / bits), with those that fill the last byte.
    """
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    apart = packed[..., None] >> shifts & np.uint8((1 << bits) - 1)
    return apart.reshape(*packed.shape[:-1], -1)
