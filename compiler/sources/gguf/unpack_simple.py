"""The types of one scale per block: Q1_0, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, and the 4-bit floats and tables.

Layouts: ggml-common.h (block_q4_0 …); two 4-bit codes in a byte are half a block apart, not neighbours.
"""

from __future__ import annotations

import numpy as np

from .integers import Integers, Scales, bits_of, half, spread

__all__ = [
    "E2M1_VALUES",
    "IQ4_VALUES",
    "iq4_nl",
    "iq4_xs",
    "mxfp4",
    "nvfp4",
    "q1_0",
    "q4_0",
    "q4_1",
    "q5_0",
    "q5_1",
    "q8_0",
]

# kvalues_iq4nl, ggml-common.h.
IQ4_VALUES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int16)
# Twice the values of E2M1: OCP Microscaling Formats 1.0, table 5; the scale is halved instead.
E2M1_VALUES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int16)

_AROUND_32 = np.arange(64, dtype=np.float32) - 32
# 2^(e - 128): half of what E8M0 stands for.
_E8M0 = np.ldexp(np.float32(1), np.arange(256) - 128)


def q1_0(blocks: np.ndarray) -> Integers:
    """128 signs: d, -d."""
    return Integers(
        values=lambda: 2 * bits_of(blocks[:, 2:]).reshape(len(blocks), -1).astype(np.int16) - 1,
        scale=_half(blocks[:, :2]),
    )


def q4_0(blocks: np.ndarray) -> Integers:
    """W = d (q - 8)."""
    return Integers(values=lambda: _nibbles(blocks[:, 2:]) - 8, scale=_half(blocks[:, :2]))


def q4_1(blocks: np.ndarray) -> Integers:
    """W = d q + m."""
    return Integers(values=lambda: _nibbles(blocks[:, 4:]), scale=_half(blocks[:, :2]), minimum=_half(blocks[:, 2:4]))


def q5_0(blocks: np.ndarray) -> Integers:
    """W = d (q - 16), the fifth bits apart."""
    return Integers(values=lambda: _fives(blocks[:, 2:]) - 16, scale=_half(blocks[:, :2]))


def q5_1(blocks: np.ndarray) -> Integers:
    """W = d q + m, the fifth bits apart."""
    return Integers(values=lambda: _fives(blocks[:, 4:]), scale=_half(blocks[:, :2]), minimum=_half(blocks[:, 2:4]))


def q8_0(blocks: np.ndarray) -> Integers:
    """W = d q."""
    return Integers(values=lambda: blocks[:, 2:].view(np.int8).astype(np.int16), scale=_half(blocks[:, :2]))


def iq4_nl(blocks: np.ndarray) -> Integers:
    """W = d table[q]."""
    return Integers(values=lambda: _named(IQ4_VALUES, _nibbles(blocks[:, 2:])), scale=_half(blocks[:, :2]))


def iq4_xs(blocks: np.ndarray) -> Integers:
    """W = d (scale - 32) table[q]: 8 scales of 6 bits, their high pairs in one word."""
    pairs = spread(np.ascontiguousarray(blocks[:, 2:4]).view("<u2"), tuple(range(0, 16, 2)), 3)
    low = spread(blocks[:, 4:8, None], (0, 4), 15)
    scales = low.reshape(-1, 8) | pairs.reshape(-1, 8).astype(np.uint8) << np.uint8(4)

    def values() -> np.ndarray:
        return _named(IQ4_VALUES, spread(blocks[:, 8:].reshape(-1, 8, 16), (0, 4), 15).reshape(-1, 256))

    scale = Scales(half=half(blocks[:, :2]), codes=scales, table=_AROUND_32)
    return Integers(values=values, scale=scale)


def mxfp4(blocks: np.ndarray) -> Integers:
    """2^(e - 128) doubled[q]; exponents 0 and 1 are below the normal floats."""
    return Integers(
        values=lambda: _named(E2M1_VALUES, _nibbles(blocks[:, 1:])), scale=Scales(codes=blocks[:, :1], table=_E8M0)
    )


def nvfp4(blocks: np.ndarray) -> Integers:
    """W = scale / 2 doubled[q]: 4 scales of E4M3 without a sign for 64 elements."""

    def values() -> np.ndarray:
        return _named(E2M1_VALUES, spread(blocks[:, 4:].reshape(-1, 4, 8), (0, 4), 15).reshape(-1, 64))

    return Integers(values=values, scale=Scales(codes=blocks[:, :4], table=_e4m3()))


def _e4m3() -> np.ndarray:
    """Half of what a byte of E4M3 is, its sign bit left out; 0x7f, NaN elsewhere, counts as 0 (ggml-impl.h)."""
    byte = np.arange(256)
    exponent, fraction = byte >> 3 & 15, byte & 7
    made = np.where(exponent == 0, fraction, fraction + 8) * np.exp2(np.maximum(exponent, 1) - 11.0)
    return np.where(byte == 0x7F, 0.0, made).astype(np.float32)


def _named(table: np.ndarray, codes: np.ndarray) -> np.ndarray:
    values: np.ndarray = table[codes]
    return values


def _half(packed: np.ndarray) -> Scales:
    return Scales(half=half(packed))


def _nibbles(packed: np.ndarray) -> np.ndarray:
    """4-bit codes of one block: byte j holds j, and j + n / 2 above it."""
    return spread(packed, (0, 4), 15).reshape(len(packed), -1).astype(np.int16)


def _fives(packed: np.ndarray) -> np.ndarray:
    """5-bit codes: 4 bytes of fifth bits, then the rest as `_nibbles`."""
    high = bits_of(packed[:, :4]).reshape(len(packed), -1).astype(np.int16)
    return _nibbles(packed[:, 4:]) + 16 * high
