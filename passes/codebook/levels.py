"""Four bits name one of sixteen levels of a block's largest weight: NF4 and FP4, and the integers a kernel runs.

    W (N, K) ≈ levels[codes] * absmax, one absmax for each run of `size` elements along K

`MatMulNBits` has no levels, but eight bits hold them: levels * per ≈ grid, whole numbers, so that
W ≈ grid[codes] * (absmax / per) is a matrix in blocks of 8-bit codes. FP4's levels are on the grid; NF4's are moved by
at most half of 1/127, which adds 0.6 % of the weights' RMS to the 9.2 % that NF4 itself loses (normal weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..weight_only.blocks import BlockForm, Blocks
from .double_scales import DoubleScales

__all__ = ["FP4", "NF4", "Levelled", "Levels", "nearest_levels"]

_MIDDLE = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """The numbers that sixteen codes stand for, in units of a block's largest magnitude.

    Attributes:
        values: By code; from -1 to 1.
        per: Steps of the 8-bit grid that make 1.
    """

    values: tuple[float, ...]
    per: int

    @property
    def grid(self) -> np.ndarray:
        """The nearest whole steps, int64, by code."""
        return np.asarray(np.rint(np.asarray(self.values) * self.per), np.int64)

    @property
    def nothing(self) -> int:
        """The code of 0."""
        return self.values.index(0.0)


# Dettmers et al. 2023 (QLoRA), arXiv 2305.14314, appendix E: midpoints between quantiles of N(0, 1), of eight positive
# and seven negative numbers, with an exact 0.
NF4 = Levels(
    values=(
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
        -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
        0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ),
    per=127,
)  # fmt: skip
# E2M1: sign, two bits of exponent, one of mantissa (OCP Microscaling Formats 1.0, table 5); 6 is the largest.
FP4 = Levels(
    values=tuple(sign * number / 6 for sign in (1.0, -1.0) for number in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)),
    per=12,
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Levelled:
    """A matrix in levels.

    Attributes:
        levels: What codes stand for.
        size: Elements along K that share a largest magnitude.
        codes: uint8, (N, K), from 0 to 15.
        absmax: float32, (N, ceil(K / size)).
        doubled: What they are stored as, where that is eight bits.
    """

    levels: Levels
    size: int
    codes: np.ndarray
    absmax: np.ndarray
    doubled: DoubleScales | None = None

    @property
    def real(self) -> np.ndarray:
        """What it stands for with the levels as they are, float32, (N, K)."""
        values = np.asarray(self.levels.values, np.float32)[self.codes]
        real: np.ndarray = values * np.repeat(self.absmax, self.size, axis=1)[:, : values.shape[1]]
        return real

    @property
    def blocks(self) -> Blocks:
        """What the kernel multiplies by: the levels on their 8-bit grid."""
        return Blocks(
            form=BlockForm(bits=8, size=self.size),
            codes=self.table[self.codes],
            scale=self.absmax / np.float32(self.levels.per),
        )

    @property
    def table(self) -> np.ndarray:
        """The kernel's 8-bit code of each level, uint8, (16,)."""
        return (self.levels.grid + _MIDDLE).astype(np.uint8)


def nearest_levels(W: np.ndarray, levels: Levels, size: int) -> Levelled:
    """Each weight by the level nearest to its share of its block's largest magnitude.

    Args:
        W: float, (N, K); the last block of a row may be shorter.
        levels: The levels.
        size: Elements along K that share a largest magnitude.

    Returns:
        Codes and largest magnitudes; a block of zeros has 0 and the code of level 0.
    """
    W = np.asarray(W, np.float32)
    missing = -W.shape[1] % size
    parts = np.pad(W, ((0, 0), (0, missing))).reshape(W.shape[0], -1, size)
    absmax = np.abs(parts).max(axis=2)
    shares = parts / np.where(absmax > 0, absmax, 1)[..., None]
    order = np.argsort(levels.values, kind="stable")
    ordered = np.asarray(levels.values, np.float32)[order]
    codes = order[np.searchsorted((ordered[1:] + ordered[:-1]) / 2, shares)]
    codes = codes.reshape(W.shape[0], -1)[:, : W.shape[1]].astype(np.uint8)
    return Levelled(levels=levels, size=size, codes=codes, absmax=absmax)
