"""Find NaN and Inf in the scales of a quantized matrix, before they turn every output into nonsense."""

from __future__ import annotations

import numpy as np

from ....errors import ModelError
from .integers import Integers
from .matrices import QuantizedMatrix

__all__ = ["check_scales"]


def check_scales(matrix: QuantizedMatrix, where: str) -> None:
    """Refuse a matrix of which a weight would not be finite.

    Raises:
        ModelError: A scale or a minimum is not finite, or a product with the scale leaves float32.
    """
    bad = matrix.decode(_bad)
    if bad.any():
        row = int(bad.any(axis=1).argmax())
        raise ModelError(where, f"has scales that are not finite (row {row})", remedy="Copy or download the file again")


def _bad(integers: Integers) -> np.ndarray:
    largest = np.float32(np.abs(integers.whole).max(initial=0))
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~np.isfinite(integers.scale.real * largest)
        if integers.minimum is not None:
            bad |= ~np.isfinite(integers.minimum.real)
    return bad
