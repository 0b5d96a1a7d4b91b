"""The E8 lattice as a codebook of 2 bits a weight: which of 65536 points is nearest, exactly.

Tseng et al. 2024 (QuIP#), arXiv 2402.04396, section 4.2, from the paper alone: a point is

    |x_i| of one of 256 patterns of halves (227 with |x|² ≤ 10, 29 of the 56 of five 3/2 and three 1/2),
    signs with an even sum of x_i (seven are free, the eighth follows), and 1/4 added to or taken from every x_i

Points are written in quarters here: odd numbers from -11 to 11. Index of a point: pattern << 8 | signs << 1 | shift,
bit i of the signs set where x_i is negative, shift 1 where 1/4 is added.

The nearest point is found by sorting instead of by trying 256 patterns: all patterns with the same numbers in another
order are there (but for the 29), so the best puts the largest number where |x_i| is largest, and where the signs of x
have the wrong parity, turning the smallest |x_i| costs least. Only where five 3/2 could be best are the 29 tried.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

__all__ = ["DIMENSION", "e8_points", "nearest_e8", "patterns", "sign_choices"]

DIMENSION = 8
_COMPLETE, _ALL = 227, 256
# Points looked for at once; bounds what it takes in memory.
_CHUNK = 1 << 15


@cache
def patterns() -> np.ndarray:
    """Absolute values in halves, uint8, (256, 8): 1, 3 or 5."""
    each = np.array(list(product((1, 3, 5), repeat=DIMENSION)), np.int64)
    norms = (each**2).sum(axis=1)  # in quarters: |x|² ≤ 10 is 40
    fives = each.max(axis=1) == 5
    last = each[(norms == 48) & ~fives][: _ALL - _COMPLETE]
    return np.concatenate([each[norms <= 40], last]).astype(np.uint8)


def e8_points(index: np.ndarray) -> np.ndarray:
    """The points of a codebook by index.

    Args:
        index: uint16, any shape.

    Returns:
        int8, (..., 8): four times the point.
    """
    points: np.ndarray = _points()[index]
    return points


def sign_choices() -> tuple[np.ndarray, np.ndarray]:
    """The signs that seven bits choose, and the parity of each pattern.

    Returns:
        1 and -1, int64, (2, 128, 8): an even number of -1, then an odd one; which a pattern takes, 0 or 1, (256,).
    """
    free = np.arange(1 << DIMENSION - 1)[:, None] >> np.arange(DIMENSION - 1) & 1
    last = free.sum(axis=1, keepdims=True) + np.arange(2)[:, None, None] & 1
    negative = np.concatenate([np.broadcast_to(free, (2, *free.shape)), last], axis=2)
    return 1 - 2 * negative, patterns().astype(np.int64).sum(axis=1) // 2 & 1


def nearest_e8(x: np.ndarray) -> np.ndarray:
    """The index of the point nearest to each vector; of two as near, one.

    Args:
        x: float, (n, 8).

    Returns:
        uint16, (n,).
    """
    found = [_nearest(x[start : start + _CHUNK]) for start in range(0, len(x), _CHUNK)]
    return np.concatenate(found) if found else np.empty(0, np.uint16)


def _nearest(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float32)
    near, index = _in_coset(x - np.float32(0.25))
    far, other = _in_coset(x + np.float32(0.25))
    # |x ∓ 1/4 - p|² = |x ∓ 1/4|² - 2 score, and |x - 1/4|² - |x + 1/4|² = -Σ x.
    up = 2 * (near - far) >= -x.sum(axis=1)
    return np.where(up, index | 1, other).astype(np.uint16)


def _in_coset(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of points without their shift: p·y - |p|²/2 of the nearest, and its index."""
    size = np.abs(y)
    order = np.argsort(-size, axis=1)
    falling = np.take_along_axis(size, order, axis=1)
    wrong = (y < 0).sum(axis=1)
    # Families of patterns: 0 to 4 of 3/2; 5/2; 5/2 and 3/2; five of 3/2. Number k of a pattern in units of 1/2, sorted.
    table = _families()
    scores = falling @ (table.T / 2).astype(np.float32) - ((table**2).sum(axis=1) / 8).astype(np.float32)
    odd = (wrong[:, None] + (table.sum(axis=1) // 2)[None]) & 1
    scores -= odd * falling[:, -1:]
    family = scores[:, :-1].argmax(axis=1)
    rows = np.arange(len(y))
    best = scores[rows, family]
    turned = np.where(odd[rows, family], order[:, -1], DIMENSION)
    placed = np.empty_like(order)
    np.put_along_axis(placed, order, table[family], axis=1)
    pattern = _numbers()[_key(placed)]
    tried = np.flatnonzero(scores[:, -1] > best)
    if len(tried):
        last = patterns()[_COMPLETE:].astype(np.float32) / 2
        exact = size[tried] @ last.T - 6
        stray = np.flatnonzero(odd[tried, -1])
        turn = (last[None] * size[tried[stray], None]).argmin(axis=2)
        cost = np.take_along_axis(last[None] * size[tried[stray], None], turn[..., None], axis=2)[..., 0]
        exact[stray] -= 2 * cost
        chosen = exact.argmax(axis=1)
        won = exact[np.arange(len(tried)), chosen] > best[tried]
        flip = np.full(len(tried), DIMENSION)
        flip[stray] = turn[np.arange(len(stray)), chosen[stray]]
        rows = tried[won]
        best[rows] = exact[won, chosen[won]]
        pattern[rows], turned[rows] = _COMPLETE + chosen[won], flip[won]
    negative = (y < 0) ^ (turned[:, None] == np.arange(DIMENSION))
    signs = negative[:, : DIMENSION - 1] @ (1 << np.arange(1, DIMENSION))
    return best, pattern << 8 | signs


@cache
def _families() -> np.ndarray:
    """The numbers of each kind of pattern, falling, in halves, (8, 8); the last is there in part."""
    few = [[3] * count + [1] * (DIMENSION - count) for count in range(5)]
    return np.array([*few, [5, *[1] * 7], [5, 3, *[1] * 6], [3] * 5 + [1] * 3])


@cache
def _numbers() -> np.ndarray:
    """Pattern by its digits in base 3."""
    found = np.full(3**DIMENSION, -1, np.int64)
    found[_key(patterns())] = np.arange(_ALL)
    return found


@cache
def _points() -> np.ndarray:
    """All points in quarters, int8, (65536, 8)."""
    signs, odd = sign_choices()
    signed = patterns()[:, None].astype(np.int64) * signs[odd]
    points: np.ndarray = (2 * signed[:, :, None] + np.array([-1, 1])[:, None]).reshape(-1, DIMENSION)
    return points.astype(np.int8)


def _key(halves: np.ndarray) -> np.ndarray:
    """Numbers 1, 3, 5 as the digits 0, 1, 2."""
    key: np.ndarray = (halves.astype(np.int64) // 2) @ 3 ** np.arange(DIMENSION)
    return key
