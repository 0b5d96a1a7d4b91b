"""Options that change nothing of a recipe: said, since a scheme or a target that passes one by would do so in silence.

An option is read where some other value of it makes other passes; so no list of who reads what has to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from ..errors import EdgecError
from ..targets.pipeline import recipe_for
from ..targets.policy import BLOCK_ROUNDINGS, CALIBRATION_METHODS, WEIGHT_FORMS, Policy
from ..targets.spec import TargetSpec
from .request import CompileRequest

__all__ = ["unread"]

_OPTIONS = {
    "awq": "--awq",
    "balance": "--balance",
    "block_size": "--block-size",
    "calibration_method": "--calibration-method",
    "clip_weights": "--clip-weights",
    "double_scales": "--double-scales",
    "equalize": "--equalize",
    "in_turn": "--in-turn",
    "keep": "--keep",
    "long_inputs": "--long-inputs",
    "per_channel": "--no-per-channel",
    "product_tables": "--product-tables",
    "ranges": "--range",
    "recurrent": "--recurrent",
    "reduce_range": "--reduce-range",
    "rotate": "--rotate",
    "rounding": "--rounding",
    "smooth": "--smooth",
    "split_concats": "--split-concat",
    "target_bpw": "--target-bpw",
    "weight_form": "--weight-form",
    "zero_points": "--zero-points",
}
# What is compared beside the default: a value may be the default under another name.
_CHOICES: dict[str, tuple[Any, ...]] = {
    "block_size": (16, 64),
    "calibration_method": CALIBRATION_METHODS,
    "reduce_range": (False, True),
    "rounding": BLOCK_ROUNDINGS,
    "weight_form": WEIGHT_FORMS,
}


def unread(request: CompileRequest, target: TargetSpec, scheme: str) -> tuple[str, ...]:
    """What is to be said of options that were given and make no difference.

    Args:
        request: What the user asked for; nothing is said where a recipe was given, which stands for all options.
        target: The target.
        scheme: The scheme, `auto` resolved.
    """
    if request.recipe is not None:
        return ()
    policy = request.policy
    return tuple(
        f"{_OPTIONS[name]}: scheme {scheme} on target {target.name} has no use for it"
        for name in _given(policy)
        if _is_unread(replace(policy, scheme=scheme), target, name)
    )


def _given(policy: Policy) -> Iterator[str]:
    """Fields that are not at their default, in the order of `_OPTIONS`."""
    defaults = {field.name: field.default for field in fields(Policy)}
    return (name for name in _OPTIONS if getattr(policy, name) != defaults[name])


def _is_unread(policy: Policy, target: TargetSpec, name: str) -> bool:
    default = next(field.default for field in fields(Policy) if field.name == name)
    recipe = recipe_for(target, policy)
    others = [value for value in (default, *_CHOICES.get(name, ())) if value != getattr(policy, name)]
    return not any(_differs(policy, target, name, value, recipe) for value in others)


def _differs(policy: Policy, target: TargetSpec, name: str, value: Any, recipe: object) -> bool:
    try:
        return recipe_for(target, replace(policy, **{name: value})) != recipe
    except EdgecError:
        return False  # a value that goes with none of the others says nothing of this one
