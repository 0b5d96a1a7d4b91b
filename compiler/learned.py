"""A model that carries learned params: what a compile of it may do, and what was settled by training."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import onnx_ir as ir

from ..errors import ModelError, OptionError
from ..passes.base import Pass
from ..passes.quantize.code_scales import CodeScales
from ..passes.quantize.compute_params import ComputeParams
from ..passes.quantize.decide import DecideQuantization
from ..passes.quantize.learned_params import Learned, LearnedParams, read_learned
from ..passes.quantize.set_ranges import SetRanges
from ..passes.recipe import Recipe
from ..passes.rewrite.clip_weights import ClipWeights
from ..passes.round.round_weights import RoundWeights
from ..passes.weight_only.compact_weights import CompactWeights
from ..targets.policy import Policy
from ..targets.spec import TargetSpec
from .request import CompileRequest

__all__ = ["UNTRAINED", "as_trained", "is_trained", "with_learned_params"]

# Fields of the policy that choose what training has chosen, or change numbers behind it.
UNTRAINED = (
    "wide_nodes",
    "product_tables",
    "keep",
    "target_bpw",
    "fit_bits",
    "weight_form",
    "long_inputs",
    "recurrent",
    "kv_cache",
    "awq",
    "rounding",
    "in_turn",
    "bias_correction",
    "reduce_range_auto",
)
# What computes params and integers that were learned; and what would round weights that were trained in float.
_SETTLED = (ComputeParams, SetRanges, ClipWeights, RoundWeights, CodeScales, CompactWeights)


def as_trained(request: CompileRequest, model: ir.Model, target: TargetSpec) -> CompileRequest:
    """The request under the policy that the model was trained under; itself where it carries no learned params.

    Nothing is searched: what runs in integers was settled before training.

    Raises:
        OptionError: The request asks for another target or another policy.
        ModelError: The policy it was trained under has fields that there are not.
    """
    learned = read_learned(model)
    if learned is None or request.recipe is not None:
        return request
    options: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in learned.options.items()}
    try:
        policy = Policy(**options)
    except TypeError as error:
        raise ModelError(
            "metadata 'edgec.learned'",
            f"names an option that this edgec does not have: {error}",
            remedy="Compile it with the edgec that trained it, or prepare and train again",
        ) from error
    _check_target(request, learned, target)
    asked, trained, usual = asdict(request.policy), asdict(policy), asdict(Policy())
    for name, value in asked.items():
        if value not in (usual[name], trained[name]):
            raise OptionError(
                f"option {name!r}",
                f"asks for {value!r}, and the model was trained with {trained[name]!r}",
                remedy="Leave it out, or prepare and train again",
            )
    return replace(request, policy=policy, search=False, diagnose=False)


def is_trained(model: ir.Model) -> bool:
    """Whether a model carries learned params."""
    return read_learned(model) is not None


def with_learned_params(recipe: Recipe, model: ir.Model) -> Recipe:
    """The recipe of a model that carries learned params: from the decisions on, with params as they were learned.

    What comes before was done before training. Weights of float kernels stay in float, as they were trained.
    """
    if not is_trained(model) or any(isinstance(each, LearnedParams) for each in recipe.passes):
        return recipe
    at = next(k for k, each in enumerate(recipe.passes) if isinstance(each, DecideQuantization))
    decide, *behind = recipe.passes[at:]
    kept: list[Pass] = []
    for each in behind:
        if isinstance(each, ComputeParams):
            kept.append(LearnedParams())
        elif not isinstance(each, _SETTLED):
            kept.append(each)
    return replace(recipe, passes=(decide, *kept))


def _check_target(request: CompileRequest, learned: Learned, target: TargetSpec) -> None:
    asked: Any = request.target if isinstance(request.target, str) else target.name
    if asked != learned.target:
        raise OptionError(
            f"target {asked!r}",
            f"is not what the model was trained for, {learned.target!r}: its rules may put Q/DQ elsewhere",
            remedy=f"Compile for {learned.target}, or prepare for {asked} and train again",
        )
