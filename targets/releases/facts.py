"""Releases of ONNX Runtime: the newest operator set and IR version each one opens.

Source: the wheels `onnxruntime` of PyPI for Linux x86-64 and Python 3.11, opening files of every version (2026-11-21).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RELEASES", "Release", "release"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A minor release of ONNX Runtime 1.

    Attributes:
        minor: 20 of 1.20.
        version: The patch release that was measured, the last one.
        opset, ml_opset: The newest operator sets of ONNX it opens; those of ai.onnx.ml.
        ir_version: The newest IR version it opens.
    """

    minor: int
    version: str
    opset: int
    ml_opset: int
    ir_version: int

    @property
    def quantized_opset(self) -> int:
        """The newest operator set in which it opens Q/DQ: 1.23 registers QuantizeLinear-23 with codes for scales."""
        return 22 if self.minor == 23 else self.opset

    def __str__(self) -> str:
        return f"1.{self.minor}"


# Older wheels do not say which kernels they have.
RELEASES: tuple[Release, ...] = (
    Release(minor=16, version="1.16.3", opset=19, ml_opset=3, ir_version=9),
    Release(minor=17, version="1.17.3", opset=20, ml_opset=4, ir_version=9),
    Release(minor=18, version="1.18.1", opset=21, ml_opset=5, ir_version=10),
    Release(minor=19, version="1.19.2", opset=21, ml_opset=5, ir_version=10),
    Release(minor=20, version="1.20.1", opset=21, ml_opset=5, ir_version=10),
    Release(minor=21, version="1.21.1", opset=22, ml_opset=5, ir_version=10),
    Release(minor=22, version="1.22.1", opset=22, ml_opset=5, ir_version=10),
    Release(minor=23, version="1.23.2", opset=23, ml_opset=5, ir_version=11),
    Release(minor=24, version="1.24.4", opset=25, ml_opset=5, ir_version=13),
    Release(minor=25, version="1.25.1", opset=26, ml_opset=5, ir_version=13),
    Release(minor=26, version="1.26.0", opset=26, ml_opset=5, ir_version=13),
    Release(minor=27, version="1.27.0", opset=26, ml_opset=5, ir_version=13),
    Release(minor=28, version="1.28.0", opset=26, ml_opset=5, ir_version=13),
    Release(minor=29, version="1.29.0", opset=26, ml_opset=5, ir_version=13),
    Release(minor=30, version="1.30.0", opset=26, ml_opset=5, ir_version=13),
    Release(minor=31, version="1.31.1", opset=26, ml_opset=5, ir_version=13),
)
_BY_MINOR = {each.minor: each for each in RELEASES}


def release(minor: int) -> Release:
    """The release of that minor number.

    Raises:
        KeyError: There are no facts of it.
    """
    return _BY_MINOR[minor]
