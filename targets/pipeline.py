"""From a target to its family's policy."""

from __future__ import annotations

from ..errors import TargetError
from ..passes.recipe import Recipe
from .cpu import pipeline as cpu
from .nvidia import pipeline as nvidia
from .openvino import pipeline as openvino
from .policy import Policy
from .qnn import pipeline as qnn
from .spec import TargetSpec
from .web import pipeline as web
from .xnnpack import pipeline as xnnpack

__all__ = ["Policy", "recipe_for"]

_FAMILIES = {
    "cpu": cpu.recipe,
    "nvidia": nvidia.recipe,
    "openvino": openvino.recipe,
    "qnn": qnn.recipe,
    "xnnpack": xnnpack.recipe,
    "web": web.recipe,
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
