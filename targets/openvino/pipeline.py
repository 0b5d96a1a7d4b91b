"""Policy of the OpenVINO target: that of the CPU targets; oneDNN's integer kernels take any number of channels."""

from __future__ import annotations

from ...errors import OptionError
from ...passes.lower.squeeze_sums import SqueezeSums
from ...passes.recipe import Recipe
from ..cpu import pipeline as cpu
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes under a policy: no channels are padded; sums it does not take would cut the graph.

    Raises:
        OptionError: The scheme takes ranges at run time, which OpenVINO computes in float: 1.2x (DS-CNN) to 1.6x
            (a transformer) float's time (1.24.1, 2026-11-21).
    """
    if policy.scheme == "d8w8":
        raise OptionError(
            f"--scheme {policy.scheme}",
            f"is slower than float on target {target.name}, which computes in float what takes ranges at run time",
            remedy="Give --calibration, or choose w8 (weights only)",
        )
    return cpu.recipe(target, policy, align=False, last=(SqueezeSums(),))
