"""Policy of the WebAssembly target: that of the CPU targets; its rules say what pays in integers there."""

from __future__ import annotations

from ...passes.recipe import Recipe
from ..cpu import pipeline as cpu
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes under a policy: no channels are padded, its integer kernels are as fast with any number of them."""
    return cpu.recipe(target, policy, align=False)
