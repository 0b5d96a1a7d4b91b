"""The ternary types: -1, 0, 1 with one scale for 256 elements (ggml-common.h, block_tq1_0 and block_tq2_0)."""

from __future__ import annotations

import numpy as np

from .integers import Integers, Scales, half, spread

__all__ = ["tq1_0", "tq2_0"]

_POWERS = np.array([1, 3, 9, 27, 81], np.uint8)


def tq1_0(blocks: np.ndarray) -> Integers:
    """W = d (t - 1): 5 digits of base 3 in a byte, as the fraction byte / 256; the last 4 bytes hold 4 each."""

    def values() -> np.ndarray:
        runs = (_digits(blocks[:, :32], 5), _digits(blocks[:, 32:48], 5), _digits(blocks[:, 48:52], 4))
        return np.concatenate(runs, axis=1) - 1

    return Integers(values=values, scale=Scales(half=half(blocks[:, 52:54])))


def tq2_0(blocks: np.ndarray) -> Integers:
    """W = d (q - 1): 2 bits each."""

    def values() -> np.ndarray:
        return spread(blocks[:, :64].reshape(-1, 2, 32), (0, 2, 4, 6), 3).reshape(-1, 256).astype(np.int16) - 1

    return Integers(values=values, scale=Scales(half=half(blocks[:, 64:66])))


def _digits(packed: np.ndarray, count: int) -> np.ndarray:
    """Digit k of every byte is the whole part of 3 * frac(byte * 3^k / 256)."""
    rest = packed[:, None, :] * _POWERS[:count, None]  # modulo 256: the fraction
    return (rest.astype(np.int16) * 3 >> 8).reshape(len(packed), -1)
