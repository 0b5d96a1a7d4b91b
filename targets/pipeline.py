"""From a target to its family's policy."""

from __future__ import annotations

from ..errors import TargetError
from ..passes.recipe import Recipe
from .coreml import pipeline as coreml
from .cpu import pipeline as cpu
from .nnapi import pipeline as nnapi
from .nvidia import pipeline as nvidia
from .openvino import pipeline as openvino
from .policy import Policy
from .qnn import pipeline as qnn
from .spec import TargetSpec
from .web import pipeline as web
from .webgpu import pipeline as webgpu
from .xnnpack import pipeline as xnnpack

__all__ = ["Policy", "recipe_for"]

_FAMILIES = {
    "coreml": coreml.recipe,
    "cpu": cpu.recipe,
    "nnapi": nnapi.recipe,
    "nvidia": nvidia.recipe,
    "openvino": openvino.recipe,
    "qnn": qnn.recipe,
    "xnnpack": xnnpack.recipe,
    "web": web.recipe,
    "webgpu": webgpu.recipe,
}


def recipe_for(target: TargetSpec, policy: Policy) -> Recipe:
    """The passes for a target under a policy.

    Raises:
        TargetError: A user's target names a family nobody knows.
    """
    if target.family not in _FAMILIES:
        raise TargetError(
            f"target {target.name!r}: family",
            f"{target.family!r} is not one of {', '.join(_FAMILIES)}",
            remedy="Name the family whose passes fit the device",
        )
    return _FAMILIES[target.family](target, policy)
