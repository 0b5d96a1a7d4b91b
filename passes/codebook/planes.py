"""Three-bit codes as three planes of bits, and the table that makes half bytes of them.

ONNX has no 3-bit type. Plane p holds bit p of every code, eight codes in a byte: three bits a weight in the file.
A byte of a plane becomes four bytes of the kernel's 4-bit codes, with that plane's share of each: a table of 3 x 256
rows, read by the byte, and an Or of the three planes make the matrix (`expand_planes`).

The kernel's codes have their middle at 8, these at 4: code + 4 has bits 2 and 3 of 01 where bit 2 is 0, of 10 where it
is 1, so that plane 2 writes both and no zero points are needed.
"""

from __future__ import annotations

import numpy as np

__all__ = ["PLANES", "byte_table", "half_byte_table", "planes"]

PLANES = 3


def planes(codes: np.ndarray) -> np.ndarray:
    """The bits of codes, plane by plane, eight of them in a byte, the first in the lowest bit.

    Args:
        codes: uint8, any shape, from 0 to 7; a multiple of eight of them.

    Returns:
        uint8, (3, size / 8).
    """
    bits = codes.reshape(1, -1) >> np.arange(PLANES, dtype=np.uint8)[:, None] & 1
    return np.asarray(np.packbits(bits, axis=1, bitorder="little"))


def half_byte_table(*, raised: bool) -> np.ndarray:
    """Row 256 p + b: what byte b of plane p adds to eight 4-bit codes, two in a byte, the first in the lower half.

    Args:
        raised: Codes are four above the 3-bit ones: their middle, where there are no zero points.

    Returns:
        uint8, (768, 4); the Or of the three planes' rows is the codes.
    """
    bits = byte_table()
    halves = np.concatenate([bits, bits << 1, np.where(bits, 8, 4) if raised else bits << 2])
    return np.asarray(halves[:, 0::2] | halves[:, 1::2] << 4, np.uint8)


def byte_table() -> np.ndarray:
    """Row b: the bits of byte b, one in a byte, the first the lowest.

    Returns:
        uint8, (256, 8); the Or of three planes' rows, each shifted left by the plane's number, is the codes.
    """
    return np.asarray(np.arange(256)[:, None] >> np.arange(8) & 1, np.uint8)
