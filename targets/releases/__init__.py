"""What releases of ONNX Runtime read: operator sets, IR versions, operators, kernels."""

from __future__ import annotations

from .facts import RELEASES, Release, release
from .reads import Obstacle, first_reading, obstacles

__all__ = ["RELEASES", "Obstacle", "Release", "first_reading", "obstacles", "release"]
