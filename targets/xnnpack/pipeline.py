"""Policy of the XNNPACK targets: that of the CPU targets, in the forms XNNPACK takes and gets right."""

from __future__ import annotations

from ...passes.lower.keep_off_xnnpack import KeepOffXnnpack
from ...passes.prepare.explicit_pads import ExplicitPads
from ...passes.recipe import Recipe
from ..cpu import pipeline as cpu
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for an XNNPACK target under a policy: no channels are padded, XNNPACK's kernels take any number."""
    return cpu.recipe(target, policy, align=False, first=(ExplicitPads(),), last=(KeepOffXnnpack(),))
