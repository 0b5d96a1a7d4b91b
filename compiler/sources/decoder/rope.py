"""Rotary tables: cos and sin of every position, for the frequencies of a head."""

from __future__ import annotations

import math

import numpy as np

from .config import Rope

__all__ = ["frequencies", "rotary_tables"]


def frequencies(rope: Rope, size: int) -> np.ndarray:
    """Radians per token of the pairs of a head.

    theta^(-2i/d), eq. 15 of RoFormer. `llama3` divides those of wavelengths above trained_context/low_frequency by
    `factor`, leaves those below trained_context/high_frequency, and interpolates between (transformers 4.57,
    `_compute_llama3_parameters`).

    Args:
        rope: The positions.
        size: Width of a head.

    Returns:
        float64, (size / 2,).
    """
    found: np.ndarray = rope.theta ** -(np.arange(0, size, 2, dtype=np.float64) / size)
    if rope.factors:
        found = found / np.asarray(rope.factors)
    if rope.scaling == "linear":
        return found / rope.factor
    if rope.scaling == "llama3":
        rotations = rope.trained_context * found / (2 * math.pi)
        kept = (rotations - rope.low_frequency) / (rope.high_frequency - rope.low_frequency)
        kept = np.clip(kept, 0.0, 1.0)
        return found * (kept + (1 - kept) / rope.factor)
    return found


def rotary_tables(rope: Rope, size: int, context: int) -> tuple[np.ndarray, np.ndarray]:
    """Cos and sin of position times frequency, float32, (context, size / 2) each."""
    angles = np.outer(np.arange(context, dtype=np.float64), frequencies(rope, size))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
