"""Product quantization: a vector is cut into parts, each the nearest of 256 centers of its own.

    x = (x_1 … x_M) ≈ (C_1[c_1] … C_M[c_M]), one byte c_m for each part

Jégou, Douze, Schmid 2011, "Product quantization for nearest neighbor search", section II. Centers are found by k-means
(Lloyd 1982, "Least squares quantization in PCM"), started as Arthur and Vassilvitskii 2007 ("k-means++") do, seeded;
a center that no row is nearest to moves to the row that is farthest from its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CENTERS", "ProductCodes", "centers_of", "product_codes"]

CENTERS = 256
# Rows that centers are found from, per center: four times as many lessen the squared error by 2 %.
_ROWS = 32
_ITERATIONS = 10
# Rows whose distances are held at once.
_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ProductCodes:
    """A table of vectors in parts.

    Attributes:
        codes: uint8, (V, M).
        centers: float16, (M, 256, D / M).
    """

    codes: np.ndarray
    centers: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """What it stands for, float32, (V, D)."""
        picked = self.centers.astype(np.float32)[np.arange(self.codes.shape[1]), self.codes]
        return np.asarray(picked.reshape(len(self.codes), -1))

    @property
    def nbytes(self) -> int:
        """Bytes of codes and centers."""
        return int(self.codes.nbytes + self.centers.nbytes)


def product_codes(table: np.ndarray, length: int, seed: int = 0) -> ProductCodes:
    """Cut rows into parts of `length` numbers and find each part's centers.

    Args:
        table: float32, (V, D), finite, of magnitudes that float16 holds; `length` divides D.
        length: Numbers that one byte stands for.
        seed: Of the rows centers start from.
    """
    rows, columns = table.shape
    parts = np.asarray(table, np.float32).reshape(rows, columns // length, length)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(rows)[: CENTERS * _ROWS]
    codes = np.empty(parts.shape[:2], np.uint8)
    centers = np.empty((parts.shape[1], CENTERS, length), np.float16)
    for m in range(parts.shape[1]):
        centers[m] = centers_of(np.ascontiguousarray(parts[chosen, m]), CENTERS, rng)
        codes[:, m] = _nearest(np.ascontiguousarray(parts[:, m]), centers[m].astype(np.float32))[0]
    return ProductCodes(codes=codes, centers=centers)


def centers_of(x: np.ndarray, count: int, rng: np.random.Generator, iterations: int = _ITERATIONS) -> np.ndarray:
    """Centers with a small sum of squared distances to the nearest: k-means.

    Args:
        x: float32, (n, d).
        count: How many.
        rng: Chooses the rows to start from.
        iterations: Most rounds; fewer where nothing moves any more.

    Returns:
        float32, (count, d); with fewer different rows than centers, some are alike.
    """
    found = np.unique(x, axis=0)
    if len(found) <= count:
        return found[np.arange(count) % len(found)]
    centers = _first(x, count, rng)
    before = None
    for _ in range(iterations):
        nearest, distance = _nearest(x, centers)
        if before is not None and np.array_equal(nearest, before):
            break
        before = nearest
        members = np.bincount(nearest, minlength=count)
        sums = np.stack([np.bincount(nearest, weights=column, minlength=count) for column in x.T], axis=1)
        centers = np.where(members[:, None] > 0, sums / np.maximum(members, 1)[:, None], centers).astype(np.float32)
        empty = np.flatnonzero(members == 0)
        centers[empty] = x[np.argsort(-distance, kind="stable")[: len(empty)]]
    return centers


def _first(x: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to start from, one after the other, each drawn by its squared distance to the nearest before it."""
    centers = np.empty((count, x.shape[1]), np.float32)
    centers[0] = x[rng.integers(len(x))]
    distance = np.square(x - centers[0]).sum(axis=1)
    for k in range(1, count):
        reached = np.cumsum(distance, dtype=np.float64)
        centers[k] = x[min(int(np.searchsorted(reached, rng.random() * reached[-1], "right")), len(x) - 1)]
        np.minimum(distance, np.square(x - centers[k]).sum(axis=1), out=distance)
    return centers


def _nearest(x: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest center of each row, and the squared distance to it."""
    own = np.square(centers).sum(axis=1)
    index = np.empty(len(x), np.int64)
    distance = np.empty(len(x), np.float32)
    for start in range(0, len(x), _AT_ONCE):
        few = x[start : start + _AT_ONCE]
        apart = own - 2 * (few @ centers.T)
        best = apart.argmin(axis=1)
        index[start : start + _AT_ONCE] = best
        distance[start : start + _AT_ONCE] = apart[np.arange(len(few)), best] + np.square(few).sum(axis=1)
    return index, distance
