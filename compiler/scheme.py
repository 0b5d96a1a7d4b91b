"""Which scheme a compile uses when the user leaves it open, and why."""

from __future__ import annotations

import onnx_ir as ir

from ..errors import OptionError
from .planning.macs import macs_by_op

__all__ = ["choose_scheme"]


def choose_scheme(asked: str, model: ir.Model, *, calibrated: bool) -> tuple[str, str]:
    """Resolve `auto`.

    Args:
        asked: A scheme or `auto`.
        model: The loaded model.
        calibrated: Whether there are calibration samples.

    Returns:
        The scheme and the reason, a sentence for the user.

    Raises:
        OptionError: `a8w8` was asked for without calibration samples.
    """
    if asked == "a8w8" and not calibrated:
        raise OptionError(
            "--scheme a8w8",
            "needs calibration samples: static ranges are measured, never guessed",
            remedy="Give --calibration, or choose d8w8 (ranges taken at run time) or w8 (weights only)",
        )
    if asked != "auto":
        return asked, "as asked"
    if calibrated:
        return "a8w8", "calibration samples are given"
    macs = macs_by_op(model)
    matrix = macs["MatMul"] + macs["Gemm"]
    if matrix > sum(macs.values()) / 2:
        return "d8w8", "no calibration samples, and most MACs are in MatMul and Gemm: ranges are taken at run time"
    return "w8", "no calibration samples, and most MACs are not in MatMul or Gemm: only weights are stored in 8 bits"
