"""The rows a convolution kernel multiplies its weights with, in the order the kernel adds them.

ONNX Runtime's QLinearConv works channels last: a row is the window's positions in order, and the group's channels at
each. It is the same for its two ways to compute (qlinearconv.cc: the indirect ConvSym kernel for channels in multiples
of 4, im2col and GEMM for the others), and for 1, 2 and 3 spatial dimensions. Padding holds the input's zero point.
"""

from __future__ import annotations

import numpy as np

from ..observe.statistics import Window

__all__ = ["filters", "windows"]


def windows(x: np.ndarray, window: Window, *, fill: int) -> np.ndarray:
    """Rows of every window, positions first and channels last.

    Args:
        x: Stored activations (n, channels, *spatial); one group's channels.
        window: How they are cut out.
        fill: What padding holds: the zero point.

    Returns:
        Shape (n, *output, prod(kernel) * channels), the dtype of `x`.
    """
    rank = len(window.kernel)
    around = [(0, 0), (0, 0), *zip(window.pads[:rank], window.pads[rank:], strict=True)]
    padded = np.pad(x, around, constant_values=fill)
    reach = [(size - 1) * step + 1 for size, step in zip(window.kernel, window.dilations, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, 2 + rank)))
    steps = (slice(None, None, step) for step in (*window.strides, *window.dilations))
    last = np.moveaxis(seen[(slice(None), slice(None), *steps)], 1, -1)
    return np.asarray(last.reshape(*last.shape[: 1 + rank], -1))


def filters(w: np.ndarray) -> np.ndarray:
    """A filter as the matrix its windows are multiplied with.

    Args:
        w: Stored weights (outputs, channels, *kernel).

    Returns:
        Shape (prod(kernel) * channels, outputs).
    """
    return np.asarray(np.moveaxis(w, 1, -1).reshape(w.shape[0], -1).T)
