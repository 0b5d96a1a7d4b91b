"""Policy of the XNNPACK targets: that of the CPU targets, in the forms XNNPACK takes and gets right."""

from __future__ import annotations

from ...passes.base import Pass
from ...passes.lower.keep_clamps_apart import KeepClampsApart
from ...passes.lower.keep_off_xnnpack import KeepOffXnnpack
from ...passes.lower.lend_constants import LendConstants
from ...passes.lower.part_half_biases import PartHalfBiases
from ...passes.lower.quantize_before_pad import QuantizeBeforePad
from ...passes.lower.stop_transposes import StopTransposes
from ...passes.prepare.explicit_pads import ExplicitPads
from ...passes.recipe import Recipe
from ..cpu import pipeline as cpu
from ..policy import Policy
from ..spec import TargetSpec

__all__ = ["recipe"]


def recipe(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for an XNNPACK target under a policy: no channels are padded, XNNPACK's kernels take any number."""
    return cpu.recipe(target, policy, align=False, first=(ExplicitPads(),), last=mend())


def mend() -> tuple[Pass, ...]:
    """Exact rewrites of what ONNX Runtime gets wrong with this provider, in float as in integers."""
    return (
        QuantizeBeforePad(),
        StopTransposes(),
        KeepClampsApart(),
        KeepOffXnnpack(),
        PartHalfBiases(),
        LendConstants(),
    )
