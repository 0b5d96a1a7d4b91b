"""Scales of blocks as 4-bit multiples of one scale per channel (LPBQ): pure functions on arrays.

s[b, n] = code[b, n] * S[n], code in 1 … 16. The layout is that of QNN's blockwise expansion (`QnnTypes.h`,
`Qnn_BlockwiseExpansion_t`, 4-bit block scales stored as u8), S = max over the blocks / 16 that of ExecuTorch
(pytorch/executorch, backends/qualcomm/builders/node_visitor.py, `make_qnn_per_block_config`). There the codes are
rounded downwards; here they are searched.
"""

from __future__ import annotations

import numpy as np

__all__ = ["TOP", "code_scales", "parts_of"]

TOP = 16
# Codes below the one that covers a block: a smaller scale clips its largest weights and rounds the others finer.
_BELOW = 2
# Below it a code times the scale of its channel would be subnormal.
_LEAST = np.float32(np.finfo(np.float32).tiny * TOP)


def code_scales(x: np.ndarray, size: int, qmax: int) -> np.ndarray:
    """Scales of blocks along the rows of a matrix, each an integer multiple of its column's.

    Of the code that covers a block and the two below it, the one with the least squared error: on normal weights in
    blocks of 32, 0.8 dB better than always covering, and 0.3 dB better than scales that are free. The block with the
    largest weight of a column keeps code 16, so that S is known from the scales alone.

    Args:
        x: float matrix (K, N), K a multiple of `size`.
        size: Rows in a block.
        qmax: Largest stored integer; the smallest is its negative.

    Returns:
        float32 scales (K / size, N): the float32 products of codes and S.
    """
    blocks = x.reshape(-1, size, x.shape[1])
    free = np.abs(blocks).max(axis=1).astype(np.float32) / np.float32(qmax)
    largest = free.max(axis=0)
    channel = np.where(largest < _LEAST, np.float32(1), largest) / np.float32(TOP)
    fixed = np.zeros(free.shape, bool)
    fixed[np.argmax(free, axis=0), np.arange(x.shape[1])] = True
    covering = np.clip(np.ceil(free / channel - 1e-4), 1, TOP).astype(np.float32)
    covering[fixed] = TOP
    blocks = blocks / channel  # no square leaves float32 so
    best, least = covering, _errors(blocks, covering, qmax)
    for below in range(1, _BELOW + 1):
        codes = np.where(fixed, covering, np.maximum(covering - below, 1)).astype(np.float32)
        errors = _errors(blocks, codes, qmax)
        better = errors < least
        best, least = np.where(better, codes, best), np.where(better, errors, least)
    found: np.ndarray = (best * channel).astype(np.float32)
    return found


def parts_of(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes and scales per channel of which scales of blocks are the float32 products, to the bit.

    Args:
        scale: float32 (blocks, N).

    Returns:
        uint8 codes (blocks, N) in 1 … 16 and float32 scales (N,); None where there are none with a code of 16 in
        every column.
    """
    channel = scale.max(axis=0) / np.float32(TOP)
    if not (np.isfinite(scale).all() and (channel >= np.finfo(np.float32).tiny).all()):
        return None
    codes = np.rint(scale / channel)
    if codes.min() < 1 or not np.array_equal((codes * channel).astype(np.float32), scale):
        return None
    return codes.astype(np.uint8), channel.astype(np.float32)


def _errors(blocks: np.ndarray, codes: np.ndarray, qmax: int) -> np.ndarray:
    """Squared error of each block (K / size, N) in units of its column's scale, rounded at these codes."""
    scale = codes[:, None, :]
    rounded = blocks / scale
    np.rint(rounded, out=rounded)
    np.clip(rounded, -qmax, qmax, out=rounded)
    rounded *= scale
    rounded -= blocks
    np.square(rounded, out=rounded)
    found: np.ndarray = rounded.sum(axis=1, dtype=np.float64)
    return found
