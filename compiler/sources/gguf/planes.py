"""Codes in fewer bits than the kernel has: planes of bytes, and the tables that make the kernel's bytes of them.

    kernel's bytes = table_0[plane_0] | table_1[plane_1]

A plane holds a field of 1, 2 or 4 bits of every integer, 8, 4 or 2 of them in a byte, the first in the lowest bits. Its
table says for each of 256 bytes what those integers are in the kernel. ONNX Runtime computes it once, when it loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ....passes.weight_only.blocks import kernel_bytes
from .kinds import Kind

__all__ = ["Plane", "codes_by_level", "planes_of"]

# How integers of so many bits are cut, the lowest field first.
_CUTS = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2), 8: (8,)}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plane:
    """A field of every integer.

    Attributes:
        shift, width: Bits of it, 1, 2, 4 or 8.
        table: uint8, (256, n): the kernel's bytes for 8 / width integers; None where a byte is the kernel's own.
    """

    shift: int
    width: int
    table: np.ndarray | None

    def pack(self, levels: np.ndarray) -> np.ndarray:
        """The plane of a matrix: places of its integers among the levels, uint8 (N, K), to bytes."""
        return kernel_bytes(levels >> np.uint8(self.shift) & np.uint8((1 << self.width) - 1), self.width, 0)


def codes_by_level(kind: Kind) -> np.ndarray:
    """The kernel's codes of a type's levels, uint8."""
    assert kind.levels is not None
    return (kind.levels + (kind.zero or 0)).astype(np.uint8)


@cache
def planes_of(kind: Kind) -> tuple[Plane, ...]:
    """How the integers of a type with levels are stored."""
    codes = codes_by_level(kind)
    bits = max(1, (len(codes) - 1).bit_length())
    cut = _CUTS[bits]
    if len(cut) == 1:
        stand = np.resize(codes, 1 << bits)
        own = bits == kind.bits and np.array_equal(stand, np.arange(1 << bits))
        return (Plane(shift=0, width=bits, table=None if own else _table(stand, bits, kind.bits)),)
    low, high = cut
    # The codes are consecutive and begin where the low field does.
    upper = (np.arange(1 << high) << low) + codes[0]
    return (
        Plane(shift=0, width=low, table=_table(np.arange(1 << low), low, kind.bits)),
        Plane(shift=low, width=high, table=_table(upper, high, kind.bits)),
    )


def _table(stand: np.ndarray, width: int, bits: int) -> np.ndarray:
    """The kernel's bytes of every byte of a plane, where a field stands for `stand`."""
    fields = np.arange(256)[:, None] >> np.arange(0, 8, width) & (1 << width) - 1
    return kernel_bytes(stand.astype(np.uint8)[fields], bits, 0)
