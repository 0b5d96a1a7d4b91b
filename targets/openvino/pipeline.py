"""Policy of the OpenVINO target: that of the CPU targets; oneDNN's integer kernels take any number of channels."""

from __future__ import annotations

from ...passes.lower.squeeze_sums import SqueezeSums
from ...passes.recipe import Recipe
from ..cpu import pipeline as cpu
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes under a policy: no channels are padded; sums it does not take would cut the graph."""
    return cpu.recipe(target, policy, align=False, last=(SqueezeSums(),))
