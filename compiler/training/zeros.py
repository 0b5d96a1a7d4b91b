"""Zeros of a weight that stay 0 while it learns: those of a pruned one, or of channels that were added to fill kernels.

Training in floats leaves no quarter of exact zeros.
"""

from __future__ import annotations

import numpy as np

__all__ = ["kept_of"]

_SHARE = 0.25


def kept_of(weight: np.ndarray) -> np.ndarray | None:
    """Where a weight is not 0, bool, if its zeros are to stay; None of one that is whole.

    Args:
        weight: Float, any shape.
    """
    kept: np.ndarray = weight != 0
    return kept if kept.size and 1.0 - kept.mean() >= _SHARE else None
