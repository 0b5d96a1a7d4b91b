"""From a target to its family's policy."""

from __future__ import annotations

from ..errors import OptionError, TargetError
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

# What reads no newer operator set is ONNX Runtime 1.21 or older, whose attention keeps floats only.
_OLD = 22
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
        OptionError: The policy asks for what the target has no kernel for.
    """
    if target.family not in _FAMILIES:
        raise TargetError(
            f"target {target.name!r}: family",
            f"{target.family!r} is not one of {', '.join(_FAMILIES)}",
            remedy="Name the family whose passes fit the device",
        )
    if policy.kv_cache != "float" and (target.family != "cpu" or target.max_opset <= _OLD):
        raise OptionError(
            "--kv-cache",
            f"{policy.kv_cache} has no kernel on target {target.name!r}: its cache stays float",
            remedy="Leave it out, or compile for a processor and a newer ONNX Runtime",
        )
    return _FAMILIES[target.family](target, policy)
