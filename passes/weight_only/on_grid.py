"""Weights that already lie on a grid: the blocks that stand for them bit for bit.

What was trained under fake quantization, or rounded elsewhere and saved in float, is (code - zero) * scale in float32,
block for block. Rounded again under a scale that is searched for, it would move; the scale it has is found instead:
the element of largest magnitude is some code times it, so every code is tried, and the neighbours of the quotient.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .blocks import BlockForm, Blocks

__all__ = ["on_grid"]

# A quotient of two float32 is off by no more than this many units of the last place from what was multiplied.
_ULPS = (0, 1, -1, 2, -2)
# Elements of a block that are tried first: a block may be a row of many thousands.
_SOME = 1024


def on_grid(W: np.ndarray, form: BlockForm) -> Blocks | None:
    """The blocks whose `real` is W bit for bit; None where there are none.

    Args:
        W: (N, K), float.
        form: Of the blocks.
    """
    if W.dtype != np.float32 or not W.size:
        return None
    rows, columns = W.shape
    size = form.size or columns
    groups = form.blocks_of(columns)
    filled = np.pad(W, [(0, 0), (0, groups * size - columns)]).reshape(-1, size)
    if not _may_be(filled, form):
        return None
    scale, low = _scales(filled, form)
    if scale is None:
        return None
    whole = np.rint(filled / scale[:, None])
    middle = np.float32(1 << form.bits - 1)
    zero = np.full(len(filled), middle) if form.symmetric else np.maximum(-low, 0)
    codes = (whole + zero[:, None]).astype(np.uint8).reshape(rows, -1)[:, :columns]
    own = None if form.symmetric else zero.astype(np.uint8).reshape(rows, groups)
    return Blocks(form=form, codes=codes, scale=scale.reshape(rows, groups), zero=own)


def _may_be(w: np.ndarray, form: BlockForm) -> bool:
    """Whether the block with the fewest zeros may lie on a grid: all its candidates at once, as most weights do not.

    A block of a pruned weight that has one number left lies on every grid.
    """
    fullest = w[np.count_nonzero(w, axis=1).argmax()]
    most = fullest[np.abs(fullest).argmax(keepdims=True)]
    some = fullest[:_SOME]
    s = np.concatenate(list(_candidates(most, form)))[:, None]
    with np.errstate(all="ignore"):
        whole = np.rint(some / s)
        same: np.ndarray = (whole * s == some).all(axis=1) & _fits(whole.min(axis=1), whole.max(axis=1), form)
    return bool(same.any() or not most.any())


def _scales(w: np.ndarray, form: BlockForm) -> tuple[np.ndarray | None, np.ndarray]:
    """The scale of each of M blocks, (M, size), and its lowest whole number; None where one has none."""
    most = w[np.arange(len(w)), np.abs(w).argmax(axis=1)]
    scale, low = np.ones(len(w), np.float32), np.zeros(len(w), np.float32)
    waiting = np.flatnonzero(most)
    for tried in _candidates(most, form):
        if not len(waiting):
            break
        s, block = tried[waiting], w[waiting]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            whole = np.rint(block / s[:, None])
            same = (whole * s[:, None] == block).all(axis=1)
        least, largest = whole.min(axis=1), whole.max(axis=1)
        same &= _fits(least, largest, form)
        found = waiting[same]
        scale[found], low[found] = s[same], least[same]
        waiting = waiting[~same]
    return (None if len(waiting) else scale), low


def _candidates(most: np.ndarray, form: BlockForm) -> Iterator[np.ndarray]:
    """Scales under which the extreme of a block is a code, the largest first: searched scales reach it."""
    for code in range(1 << form.bits - 1 if form.symmetric else form.largest, 0, -1):
        quotient = most / np.float32(code)
        for ulps in _ULPS:
            shifted = quotient
            for _ in range(abs(ulps)):
                shifted = np.nextafter(shifted, np.float32(np.inf if ulps > 0 else -np.inf))
            yield shifted
            yield -shifted


def _fits(least: np.ndarray, largest: np.ndarray, form: BlockForm) -> np.ndarray:
    """Whether whole numbers from least to largest are codes less a zero point."""
    if form.symmetric:
        middle = 1 << form.bits - 1
        within: np.ndarray = (least >= -middle) & (largest <= middle - 1)
    else:
        within = np.maximum(largest, 0) - np.minimum(least, 0) <= form.largest
    return within
