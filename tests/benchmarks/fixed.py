"""Samples of one shape: what a target that runs static shapes alone is compiled for, and fed with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from encoder import INPUTS
from models import ENCODER, ZooModel
from tasks.base import Steps

__all__ = ["fixed_shapes", "padded"]

# The longest sentence of STS-b's calibration split has 62 tokens, of every second pair of its evaluation split 43.
TOKENS = 64
_LENGTHS = {ENCODER: dict.fromkeys(INPUTS, TOKENS)}


def padded(model: ZooModel, steps: Steps) -> Steps:
    """Feeds of a fixed length: zeros behind what is shorter, which is "no token" in the mask as well.

    Raises:
        ValueError: One is longer.
    """
    lengths = _LENGTHS.get(model.name, {})
    return tuple({name: _to(array, lengths.get(name)) for name, array in step.items()} for step in steps)


def fixed_shapes(steps: Steps) -> Mapping[str, tuple[int, ...]]:
    """The shape of every input, of feeds that all have the same."""
    return {name: tuple(array.shape) for name, array in steps[0].items()}


def _to(array: np.ndarray, length: int | None) -> np.ndarray:
    if length is None:
        return array
    missing = length - array.shape[1]
    if missing < 0:
        raise ValueError(f"a sample has {array.shape[1]} tokens, and {length} are compiled for")
    return np.pad(array, [(0, 0), (0, missing)])
