"""What a Reshape does to the labels of one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Reshaped", "is_image", "matched", "reshaped"]

# An axis of labels behind a Reshape, its labels, and groups of them that became one.
Reshaped = tuple[int, np.ndarray, np.ndarray]


def matched(before: Sequence[Any], after: Sequence[Any], axis: int) -> tuple[range, range] | None:
    """Axes of both shapes that hold the same elements, the smallest such block with `axis` of the first in it.

    Dimensions are matched from the last one on; those nobody knows match what has the same name.
    """
    i, j = len(before), len(after)
    while i > axis and (i or j):
        left, right = i - 1, j - 1
        if left < 0 or right < 0:
            return None
        a, b = before[left], after[right]
        if not (isinstance(a, int) and isinstance(b, int)):
            if a != b or str(a) == "None":
                return None
        else:
            while a != b:
                if a < b:
                    left -= 1
                    dim = before[left] if left >= 0 else None
                    if not isinstance(dim, int) or dim == 0:
                        return None
                    a *= dim
                else:
                    right -= 1
                    dim = after[right] if right >= 0 else None
                    if not isinstance(dim, int) or dim == 0:
                        return None
                    b *= dim
        if left <= axis:
            return range(left, i), range(right, j)
        i, j = left, right
    return None


def reshaped(before: Sequence[Any], after: Sequence[Any], axis: int, labels: np.ndarray) -> Reshaped | None:
    """The axis that labels lie along behind a Reshape.

    Where an axis falls into several, labels can go on along one of them: of an image (axis 1 of four or more), as
    channel shuffles need it, the last; else, as heads need it, the last but one. Those along the others become one.

    Args:
        before: The shape read.
        after: The shape written.
        axis: Where labels lie.
        labels: One for each index of it.

    Returns:
        The axis, the labels along it, and (length, n) labels that are to be joined row by row; None where the shapes
        do not tell.
    """
    found = matched(before, after, axis)
    if found is None:
        return None
    inner, outer = found
    dims = [before[k] for k in inner]
    spread = labels.reshape([-1 if k == axis else 1 for k in inner])
    if len(inner) == len(outer) == 1:
        return outer[0], labels, labels[:, None]
    block = np.broadcast_to(spread, dims).reshape([after[k] for k in outer])
    wide = [k for k, size in enumerate(block.shape) if size > 1]
    if not wide:
        return outer[-1], block.reshape(-1), block.reshape(-1, 1)
    chosen = next((k for k in wide if _is_even(_lines(block, k))), None)
    if chosen is None:
        chosen = wide[-1] if is_image(before, axis) or len(wide) == 1 else wide[-2]
    lines = _lines(block, chosen)
    return outer[chosen], lines[:, 0].copy(), lines


def is_image(shape: Sequence[Any], axis: int) -> bool:
    """Whether an axis is that of the channels of an image."""
    return axis == 1 and len(shape) >= 4


def _lines(block: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(block, axis, 0).reshape(block.shape[axis], -1)


def _is_even(lines: np.ndarray) -> bool:
    return bool((lines == lines[:, :1]).all())
