"""The methods that make blocks of a matrix, as one function: (W, H or None, form) -> Blocks."""

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

__all__ = ["METHODS", "SECOND_ORDER", "blocks_by"]

# Longest blocks whose squares of the Gram matrix are multiplied with.
_SQUARES = 256

Method: TypeAlias = Callable[[np.ndarray, np.ndarray, BlockForm], Blocks]


def _weighted(W: np.ndarray, H: np.ndarray, form: BlockForm) -> Blocks:
    return nearest(W, form, np.maximum(np.diagonal(H), 0))


def _clipped(W: np.ndarray, H: np.ndarray, form: BlockForm) -> Blocks:
    """Ranges by what a block adds to the output; longer blocks by the diagonal alone: their squares are slow."""
    return nearest(W, form, H) if 0 < form.size <= _SQUARES else _weighted(W, H, form)


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
    "weighted": _weighted,
    "clipped": _clipped,
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
