"""What every quantized type of GGUF stores: small integers, and a scale for each run of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Integers", "Rows", "Scales", "bits_of", "half", "spread"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scales:
    """Scales as they are stored: half * table[codes], rounded once; either factor may be missing.

    Attributes:
        half: float16, (M, S); one for G / S scales next to each other.
        codes: uint8, (M, G).
        table: float32, what the codes stand for.
    """

    half: np.ndarray | None = None
    codes: np.ndarray | None = None
    table: np.ndarray | None = None

    @property
    def real(self) -> np.ndarray:
        """float32, (M, G)."""
        if self.codes is None or self.table is None:
            assert self.half is not None
            return self.half.astype(np.float32)
        factors: np.ndarray = self.table[self.codes]
        if self.half is None:
            return factors
        real: np.ndarray = np.repeat(self.half, factors.shape[1] // self.half.shape[1], axis=1) * factors
        return real

    def in_rows(self, rows: int) -> Scales:
        """Those of the blocks of a matrix's row side by side."""
        half = None if self.half is None else self.half.reshape(rows, -1)
        codes = None if self.codes is None else self.codes.reshape(rows, -1)
        return Scales(half=half, codes=codes, table=self.table)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Integers as they are stored by types with a codebook: its rows, and signs.

    Attributes:
        table: int16, (rows, r).
        index: uint16, (M, n / r).
        signs: uint8, (M, n / 8), a set bit changes the sign, the lowest that of the first; None changes none.
    """

    table: np.ndarray
    index: np.ndarray
    signs: np.ndarray | None = None

    @property
    def values(self) -> np.ndarray:
        """int16, (M, n)."""
        values: np.ndarray = self.table[self.index].reshape(len(self.index), -1)
        if self.signs is not None:
            values = values * (1 - 2 * bits_of(self.signs).reshape(len(self.signs), -1).astype(np.int16))
        return values

    def in_rows(self, rows: int) -> Rows:
        """Those of the blocks of a matrix's row side by side."""
        signs = None if self.signs is None else self.signs.reshape(rows, -1)
        return Rows(table=self.table, index=self.index.reshape(rows, -1), signs=signs)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Integers:
    """Blocks as they are stored: w = scale * value, or scale * value + minimum; exact.

    Attributes:
        values: Makes int16, (M, n), n elements in a block; or the rows that make them.
        scale: G in a block, one for n / G elements.
        minimum: The same; None where 0 is stored as it is.
    """

    values: Callable[[], np.ndarray] | Rows
    scale: Scales
    minimum: Scales | None = None

    @property
    def whole(self) -> np.ndarray:
        """The integers, int16, (M, n)."""
        return self.values.values if isinstance(self.values, Rows) else self.values()

    @property
    def real(self) -> np.ndarray:
        """float32, (M, n): rounded as llama.cpp's reference rounds, the product first (ggml-quants.c)."""
        scale, whole = self.scale.real, self.whole
        real: np.ndarray = whole.reshape(*scale.shape, -1).astype(np.float32) * scale[..., None]
        if self.minimum is not None:
            real = real + self.minimum.real[..., None]
        return real.reshape(whole.shape)

    def in_rows(self, rows: int) -> Integers:
        """The same with the blocks of a matrix's row side by side."""
        minimum = None if self.minimum is None else self.minimum.in_rows(rows)
        values: Callable[[], np.ndarray] | Rows
        values = self.values.in_rows(rows) if isinstance(self.values, Rows) else lambda: self.whole.reshape(rows, -1)
        return Integers(values=values, scale=self.scale.in_rows(rows), minimum=minimum)


def spread(packed: np.ndarray, shifts: Sequence[int], mask: int) -> np.ndarray:
    """Fields of bytes (or wider words), those at the same shift together.

    Args:
        packed: Unsigned, (..., n).
        shifts: Where the fields start.
        mask: What a field keeps.

    Returns:
        The same type, (..., len(shifts), n).
    """
    kind = packed.dtype.type
    fields: np.ndarray = (packed[..., None, :] >> np.array(shifts, kind)[:, None]) & kind(mask)
    return fields


def bits_of(packed: np.ndarray) -> np.ndarray:
    """The bits of bytes, the lowest first: uint8 (..., n) to (..., n, 8)."""
    return np.unpackbits(packed[..., None], axis=-1, bitorder="little")


def half(packed: np.ndarray) -> np.ndarray:
    """The half that each two bytes hold: uint8 (M, 2 k) to float16 (M, k)."""
    return np.ascontiguousarray(packed).view("<f2")
