"""The methods that make blocks of a matrix, as one function: (W, H or None, form) -> Blocks.

`weighted` and `clipped` choose scales by what a column, or a block, adds to a layer's output as if it were alone. Rows
whose errors add up to more than those of the nearest codes are given these: a third of the rows of all-MiniLM-L6-v2 and
a sixth at 3 bits, and .2 and .05 dB less noise of its matrices on calibration samples that chose nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ..round.adaround import adaround
from ..round.grid import Grid
from .blocks import BlockForm, Blocks
from .gptq_blocks import gptq_blocks
from .hqq import hqq
from .nearest import nearest

__all__ = ["METHODS", "SECOND_ORDER", "blocks_by", "clipped", "weighted"]

# Longest blocks whose squares of the Gram matrix are multiplied with.
_SQUARES = 256
# The smallest magnitude of a Gram matrix that is divided by.
_LEAST = np.finfo(np.float64).tiny

Method: TypeAlias = Callable[[np.ndarray, np.ndarray, BlockForm], Blocks]


def weighted(W: np.ndarray, H: np.ndarray, form: BlockForm) -> Blocks:
    """The nearest codes, under scales for which columns of large inputs count more."""
    return nearest(W, form, np.maximum(np.diagonal(H), 0))


def clipped(W: np.ndarray, H: np.ndarray, form: BlockForm) -> Blocks:
    """Ranges by what a block adds to the output; longer blocks by the diagonal alone: their squares are slow."""
    return nearest(W, form, H) if 0 < form.size <= _SQUARES else weighted(W, H, form)


def _kept(W: np.ndarray, H: np.ndarray, made: Blocks) -> Blocks:
    """Blocks whose every row loses no more of W X than the nearest codes do."""
    near = nearest(W, made.form)
    H32 = (H / max(float(np.abs(H).max(initial=0)), _LEAST)).astype(np.float32)
    worse = _lost(W, H32, made) > _lost(W, H32, near)

    def picked(ours: np.ndarray, nearer: np.ndarray) -> np.ndarray:
        return np.where(worse[:, None], nearer, ours)

    zero = None if made.zero is None or near.zero is None else picked(made.zero, near.zero)
    codes, scale = picked(made.codes, near.codes), picked(made.scale, near.scale)
    return Blocks(form=made.form, codes=codes, scale=scale, zero=zero)


def _lost(W: np.ndarray, H: np.ndarray, made: Blocks) -> np.ndarray:
    """By row, what its error d adds to the output, d H dᵀ: (N,)."""
    with np.errstate(over="ignore", invalid="ignore"):  # of two that float32 does not hold none is the greater
        D = made.real - W.astype(np.float32, copy=False)
        lost: np.ndarray = np.einsum("nk,nk->n", D @ H, D)
    return lost


def _in_order(W: np.ndarray, H: np.ndarray, form: BlockForm) -> Blocks:
    return gptq_blocks(W, H, form, act_order=False)


def _learned(W: np.ndarray, H: np.ndarray, form: BlockForm) -> Blocks:
    """Nearest scales; codes learned, row by row the better of them and GPTQ's on that grid."""
    near = nearest(W, form, np.maximum(np.diagonal(H), 0))
    size, columns = form.size or W.shape[1], W.shape[1]
    zero = np.full_like(near.scale, 1 << form.bits - 1) if near.zero is None else near.zero
    scale, zeros = (np.repeat(each.astype(np.float64), size, axis=1)[:, :columns] for each in (near.scale, zero))
    codes = adaround(W, H, Grid(scale=scale, zero=zeros, low=0, high=form.largest))
    return Blocks(form=form, codes=codes.astype(np.uint8), scale=near.scale, zero=near.zero)


# What goes by the Gram matrix.
SECOND_ORDER: dict[str, Method] = {
    "weighted": lambda W, H, form: _kept(W, H, weighted(W, H, form)),
    "clipped": lambda W, H, form: _kept(W, H, clipped(W, H, form)),
    "gptq": gptq_blocks,
    "gptq-in-order": _in_order,
    "adaround": _learned,
}
METHODS = ("nearest", "hqq", *SECOND_ORDER)


def blocks_by(method: str, W: np.ndarray, H: np.ndarray | None, form: BlockForm) -> Blocks:
    """Blocks of a matrix by a method; the nearest where the method wants a Gram matrix and there is none.

    Args:
        method: One of `METHODS`.
        W: (N, K).
        H: (groups, K, K): the rows of W are that many groups of their own; or None.
        form: What it is stored in.
    """
    if method == "hqq":
        return hqq(W, form)
    if H is None or method not in SECOND_ORDER:
        return nearest(W, form)
    parts = [SECOND_ORDER[method](w, h, form) for w, h in zip(np.split(W, len(H)), H, strict=True)]
    if len(parts) == 1:
        return parts[0]
    zeros = [part.zero for part in parts if part.zero is not None]
    return Blocks(
        form=form,
        codes=np.concatenate([part.codes for part in parts]),
        scale=np.concatenate([part.scale for part in parts]),
        zero=np.concatenate(zeros) if zeros else None,
    )
