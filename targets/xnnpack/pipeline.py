"""Policy of the XNNPACK targets: that of the CPU targets, without what only ONNX Runtime's own int8 kernels want."""

from __future__ import annotations

from ...passes.recipe import Recipe
from ..cpu import pipeline as cpu
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for an XNNPACK target under a policy: no channels are padded, XNNPACK's kernels take any number."""
    return cpu.recipe(target, policy, align=False)
