"""Quantization-aware training: a module that computes what its integers will, to be trained in the user's own loop.

    import edgec

    module = edgec.qat.prepare("model.onnx", target="host", scheme="a4w4", calibration="calib.npz")
    ...                                         # train it: a plain torch.nn.Module
    bundle = edgec.compile(module, target="host", output="out/")

The story: load → normalize → prepare(target) → decide → observe → compute params, all as `edgec.compile` does it; then
the graph becomes a module, with fake quantization on exactly the edges that Q/DQ will be on, starting from those
params.
`compile` takes scales, zero points and integers of weights over bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from ..errors import OptionError
from ..passes.base import Pass
from ..passes.normalize.remove_unused import RemoveUnused
from ..passes.quantize.code_scales import CodeScales
from ..passes.quantize.decide import nothing_to_do
from ..passes.quantize.decision import decided_nodes
from ..passes.quantize.insert_qdq import InsertQdq
from ..passes.recipe import Recipe
from ..passes.round.round_weights import RoundWeights
from ..targets.policy import STATIC_SCHEMES, Policy
from ..targets.spec import TargetSpec
from .build import measuring
from .clock import Clock
from .compile import load_for, resolve_recipe
from .data import open_data
from .learned import UNTRAINED
from .observers import SignatureGuard
from .older import target_of
from .pipeline import run_passes
from .pruned import check_unpruned
from .request import CompileRequest
from .samples.base import DataSource
from .scheme import choose_scheme
from .signature import inputs_of
from .training.asked import check_asked
from .training.extra import require_torch

if TYPE_CHECKING:
    import torch

    from .training.quantizing.module import QatModule

__all__ = ["parameter_groups", "prepare", "to_model"]


def prepare(
    model: Any,
    *,
    target: str | TargetSpec = "host",
    scheme: str = "a8w8",
    calibration: DataSource | None = None,
    **options: Any,
) -> QatModule:
    """Make a module for quantization-aware training.

    Args:
        model: What `edgec.compile` takes: a torch module, a path, an `onnx_ir.Model`.
        target: What it is trained for.
        scheme: Widths of activations and weights: `a8w8`, `a4w4`, ...
        calibration: Samples that the params start from.
        **options: Fields of `Policy` that say what is quantized and how ranges start (`exclude_nodes`, `per_channel`,
            `calibration_method`, `clip_weights`, ...), and of `CompileRequest` that say how samples are read
            (`shapes`, `samples`, `seed`, `preprocess`, ...).

    Returns:
        A `torch.nn.Module` with the model's inputs and outputs. BatchNormalization is folded, so its statistics are
        frozen; other norms compute as they did.

    Raises:
        MissingExtraError: PyTorch is not installed.
        OptionError: The scheme has no fake quantization, or an option has no meaning for weights that are trained.
        EdgecError: The model or the samples cannot be used; see `errors`.
    """
    require_torch("edgec.qat.prepare")
    from .training.quantizing.module import QatModule

    _check_options(scheme, options)
    given = {"target": target, "scheme": scheme, "calibration": calibration, "prove": False, "search": False}
    request = CompileRequest.of(model, {**given, **options})
    check_unpruned(request.policy)
    spec = target_of(request)
    recipe = _recipe(request, spec)
    loaded = load_for(request, spec, request.shapes)
    choose_scheme(scheme, loaded.model, calibrated=calibration is not None)
    data = open_data(request, inputs_of(loaded.model), loaded.baking, loaded.companions)
    graph = loaded.model.clone()
    head = _until_insertion(recipe)
    run_passes(graph, (*head, RemoveUnused()), measure=measuring(data, request, Clock()), observers=(SignatureGuard(),))
    if not any(True for _ in decided_nodes(graph.graph)):
        raise nothing_to_do(graph)
    name = target if isinstance(target, str) else target.name
    return QatModule(graph, target=name, options=_bent(request.policy), origin=loaded.origin)


def to_model(module: QatModule) -> ir.Model:
    """The float model with the trained weights, its learned params in the metadata: what `edgec.compile` takes.

    Args:
        module: From `prepare`.

    Raises:
        OptionError: The module is not from `prepare`.
        ModelError: Training left a weight or a scale that is no finite number.
    """
    make = getattr(module, "to_learned", None)
    if make is None:
        raise OptionError(
            f"<{type(module).__name__}>",
            "is not a module that edgec.qat.prepare made",
            remedy="Give the module itself; one that wraps it has it as an attribute",
        )
    made: ir.Model = make()
    return made


def parameter_groups(
    module: torch.nn.Module, *, lr: float, weight_decay: float = 0.0, adaptive: bool = True
) -> list[dict[str, Any]]:
    """Groups for an optimizer: weights; scales and offsets, which are never decayed.

    Args:
        module: From `prepare`, or one that holds it.
        lr: Learning rate of the weights.
        weight_decay: Of the weights.
        adaptive: The optimizer's steps have the size of the learning rate, as Adam's: params get a rate of `lr` times
            their own magnitude, so that they change by shares of themselves. False is for SGD, where the gradients have
            LSQ's factor, and one rate fits all.

    Returns:
        What `torch.optim` takes as parameters.
    """
    from .training.quantizing.groups import groups_of

    return groups_of(module, lr=lr, weight_decay=weight_decay, adaptive=adaptive)


def _check_options(scheme: str, options: Mapping[str, Any]) -> None:
    if scheme not in STATIC_SCHEMES:
        raise OptionError(
            f"scheme {scheme!r}",
            "has no fake quantization: activations are not in integers, or their ranges are taken at run time",
            remedy=f"Choose one of {', '.join(STATIC_SCHEMES)}",
        )
    check_asked(options, ("samples", "state"), "edgec.qat.prepare")
    for name in options:
        if name in UNTRAINED and options[name] != getattr(Policy(), name):
            raise OptionError(
                f"option {name!r}",
                "has no meaning for weights that are trained",
                remedy="Leave it out; what is learned takes its place",
            )


def _recipe(request: CompileRequest, target: TargetSpec) -> Recipe:
    recipe = resolve_recipe(request, target, request.policy.scheme)
    if any(isinstance(each, CodeScales) for each in recipe.passes):
        raise OptionError(
            f"scheme {request.policy.scheme!r}",
            f"codes the scales of blocks on target {target.name}, which are not learned",
            remedy="Add per_channel=False, or choose a scheme with 8-bit weights",
        )
    return recipe


def _until_insertion(recipe: Recipe) -> tuple[Pass, ...]:
    """The passes that load, decide, observe and compute; not those that choose integers."""
    at = next((k for k, each in enumerate(recipe.passes) if isinstance(each, InsertQdq)), None)
    if at is None:
        raise OptionError(
            f"scheme {recipe.scheme!r}",
            "puts no Q/DQ into a graph on this target, so there is nothing to train for",
            remedy="Choose another target",
        )
    return tuple(each for each in recipe.passes[:at] if not isinstance(each, RoundWeights))


def _bent(policy: Policy) -> dict[str, Any]:
    """The fields of a policy that are not at their default, as JSON has them."""
    plain, usual = asdict(policy), asdict(Policy())
    return {name: list(v) if isinstance(v, tuple) else v for name, v in plain.items() if v != usual[name]}
