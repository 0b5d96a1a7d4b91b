"""Blocks that are put away once they are made, and found again by what they were made of.

Where the driver gives passes a keeper (`passes/outside.py`), the codes of a model never lie in memory together; a
compile that was killed finds those of the layers it had finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from ..outside import Kept, outside
from .blocks import BlockForm, Blocks

__all__ = ["found_or_made", "put_away"]

# Read at once for a digest.
_ROWS = 256


class _Away(Blocks):
    """Blocks whose arrays are read each time they are asked for."""

    __slots__ = ("_kept",)
    _kept: Mapping[str, Kept]

    def __init__(self, form: BlockForm, kept: Mapping[str, Kept]) -> None:
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "_kept", kept)

    @property
    def codes(self) -> np.ndarray:
        return self._kept["codes"].read()

    @property
    def scale(self) -> np.ndarray:
        return self._kept["scale"].read()

    @property
    def zero(self) -> np.ndarray | None:
        return self._kept["zero"].read() if "zero" in self._kept else None


def found_or_made(
    method: str, W: np.ndarray, H: np.ndarray | None, form: BlockForm, make: Callable[[], Blocks]
) -> Blocks:
    """The blocks of a matrix: those an interrupted run made of the same, else new ones.

    Args:
        method: How they are chosen.
        W: The matrix, (N, K).
        H: The Gram matrix of its inputs, or None.
        form: How it is stored.
        make: Makes them.
    """
    keeper = outside().keeper
    if keeper is None:
        return make()
    digest = hashlib.sha256(f"{method} {form} {W.shape}".encode())
    for array in (W, H):
        if array is not None:
            digest.update(f"{array.dtype} {array.shape}".encode())
            rows = array.reshape(-1, array.shape[-1])
            for start in range(0, len(rows), _ROWS):  # a matrix may be a view of its transpose
                digest.update(np.ascontiguousarray(rows[start : start + _ROWS]).view(np.uint8).data)
    key = f"blocks-{digest.hexdigest()}"
    found = keeper.recall(key)
    return _Away(form, found if found is not None else keeper.remember(key, _arrays(make())))


def put_away(blocks: Blocks) -> Blocks:
    """The same blocks out of memory, where there is a place for them."""
    keeper = outside().keeper
    if keeper is None or isinstance(blocks, _Away):
        return blocks
    return _Away(blocks.form, {name: keeper.put(array) for name, array in _arrays(blocks).items()})


def _arrays(blocks: Blocks) -> dict[str, np.ndarray]:
    arrays = {"codes": blocks.codes, "scale": blocks.scale}
    return arrays if blocks.zero is None else {**arrays, "zero": blocks.zero}
