"""Parameters in groups for an optimizer: weights, and what was learned of their steps."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from .fake import FakeQuantize

__all__ = ["groups_of"]


def groups_of(module: nn.Module, *, lr: float, weight_decay: float, adaptive: bool) -> list[dict[str, Any]]:
    """See `edgec.qat.parameter_groups`."""
    steps = {
        parameter: parameter.detach().abs().mean().item() if name == "lowest" else fake.scale.detach().mean().item()
        for fake in module.modules()
        if isinstance(fake, FakeQuantize)
        for name, parameter in fake.named_parameters(recurse=False)
    }
    weights = [each for each in module.parameters() if each not in steps]
    groups: list[dict[str, Any]] = [{"params": weights, "lr": lr, "weight_decay": weight_decay}]
    by_magnitude: dict[int, list[nn.Parameter]] = {}
    for parameter, magnitude in steps.items():
        # Powers of two: a handful of groups.
        power = math.floor(math.log2(magnitude)) if adaptive and magnitude > 0 else 0
        by_magnitude.setdefault(power, []).append(parameter)
    for power, parameters in sorted(by_magnitude.items()):
        groups.append({"params": parameters, "lr": lr * 2.0**power, "weight_decay": 0.0})
    return groups
