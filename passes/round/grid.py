"""The grid weights are rounded to: Ŵ = (Q - zero) * scale with whole Q from low to high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Grid"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grid:
    """Where each weight of a matrix W may go.

    Attributes:
        scale: Step of each weight, shape of W or broadcast to it.
        zero: Zero point of each weight, the same.
        low: Smallest code.
        high: Largest code.
    """

    scale: np.ndarray | float
    zero: np.ndarray | float = 0.0
    low: int
    high: int

    def nearest(self, W: np.ndarray) -> np.ndarray:
        """Codes by rounding each weight to the nearest, half to even, float64, shape of W."""
        codes: np.ndarray = np.clip(np.rint(np.asarray(W, np.float64) / self.scale) + self.zero, self.low, self.high)
        return codes

    def real(self, Q: np.ndarray) -> np.ndarray:
        """What codes stand for, shape of Q."""
        real: np.ndarray = (Q - self.zero) * self.scale
        return real

    def per_weight(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step and zero point of every single weight, float64, each of shape W."""
        scale, zero = (np.broadcast_to(np.asarray(each, np.float64), W.shape) for each in (self.scale, self.zero))
        return scale, zero
