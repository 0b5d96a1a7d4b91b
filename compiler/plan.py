"""What a compile would do, and whether the result fits: nothing is run, nothing is written.

Bytes are estimates from the graph's shapes (`planning/estimate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from ..errors import EdgecError
from ..passes.edit import SkipNotes
from ..passes.lower.compute_in_half import ComputeInHalf
from ..passes.quantize.compute_params import ComputeParams
from ..passes.quantize.decide import DecideQuantization
from ..passes.quantize.decision import decided_nodes
from ..passes.recipe import Recipe
from ..targets.pipeline import recipe_for
from ..targets.policy import STATIC_SCHEMES, Policy
from ..targets.spec import TargetSpec
from .adapters.adapt import sparing_adapters
from .compile import load_for, resolve_recipe
from .data import CompileData, open_data, with_cache
from .learned import as_trained, is_trained
from .load import Loaded
from .materialize import weight_bytes
from .observing.part import counted_every
from .older import target_of
from .planning.estimate import Blocked, SchemeEstimate, estimate, state_bytes
from .planning.macs import macs_by_op, unsized_notes
from .planning.peak import compile_peak
from .planning.unmeasured import run_unmeasured
from .planning.weights import weights_in_blocks
from .pruned import to_prune, without_pruning
from .request import CompileRequest
from .scheme import choose_scheme
from .search import LARGEST_WEIGHTS
from .signature import inputs_of
from .unread import unread

__all__ = ["Plan", "SchemeEstimate", "plan"]

# From the largest file to the smallest, weights alone before static.
_ESTIMATED = (
    "float", "fp16", "bf16", "w8", "w4", "nf4", "fp4", "w3", "w2", "d8w8", "a16w8", "a16w4", "a8w8", "a8w4"
)  # fmt: skip
# Those that a target stores in blocks, where it does; else those of them that it has in another form.
_BLOCKED, _OTHERWISE = ("w8", "w4", "nf4", "fp4", "w3", "w2"), ("w8", "w4")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What would be compiled.

    Attributes:
        target: The target.
        scheme, reason: The scheme and why.
        recipe: The passes that would run.
        macs: MACs of one inference by operator type.
        integer_nodes: Nodes that would run in integers.
        float_nodes: Node name → why it stays float.
        schemes: What each scheme would need on the device.
        compile_peak_bytes: Peak memory of this compile itself, without the proof.
        notes: What loading had to do, and whether MACs are of unknown sizes.
    """

    target: TargetSpec
    scheme: str
    reason: str
    recipe: Recipe
    macs: Mapping[str, int]
    integer_nodes: tuple[str, ...]
    float_nodes: Mapping[str, str]
    schemes: tuple[SchemeEstimate, ...]
    compile_peak_bytes: int
    notes: tuple[str, ...]


def plan(model: Any, **options: Any) -> Plan:
    """Resolve what `compile` would do with the same arguments.

    Args:
        model: A path, an `onnx_ir.Model` or a `ModelProto`.
        **options: Fields of `CompileRequest`.

    Returns:
        The plan.

    Raises:
        EdgecError: The model, the samples or an option cannot be used.
    """
    request = CompileRequest.of(model, options)
    target = target_of(request)
    request = sparing_adapters(request)
    loaded = load_for(request, target, request.shapes)
    inputs = inputs_of(loaded.model)
    request = with_cache(as_trained(request, loaded.model, target), loaded.model)
    data = open_data(request, inputs, loaded.baking, loaded.companions)
    calibrated = data.calibration is not None or is_trained(loaded.model)
    scheme, reason = choose_scheme(
        request.policy.scheme, loaded.model, calibrated=calibrated, native=target.native, stored=loaded.stored
    )
    first = to_prune(request, calibrated=data.calibration is not None)
    request = replace(request, policy=without_pruning(request.policy))
    recipe = resolve_recipe(request, target, scheme)
    recipe = replace(recipe, passes=(*first, *recipe.passes))
    whole = scheme in STATIC_SCHEMES or not target.rules
    static = recipe_for(target, replace(request.policy, scheme=scheme if whole else "a8w8")).without_samples()
    decided = _at_sample_shapes(request, target, loaded, data)
    macs, notes = macs_by_op(decided), (*loaded.notes, *unread(request, target, scheme), *unsized_notes(decided))
    if first:
        notes = (*notes, "MACs and memory are those of the model before anything is left out of it")
    blocked = _in_blocks(decided, target, request.policy)
    _decide(decided, static)
    decides = scheme in STATIC_SCHEMES
    state = sum(state_bytes(value) for value in loaded.model.graph.inputs if value.name in request.state.carried)
    return Plan(
        target=target,
        scheme=scheme,
        reason=reason,
        recipe=recipe,
        macs=macs,
        integer_nodes=tuple(str(node.name) for node, _ in decided_nodes(decided.graph)) if decides else (),
        float_nodes=SkipNotes.of(decided) if decides else {},
        schemes=tuple(
            estimate(name, *blocked.get(name, (decided, {})), target, state)
            for name in _ESTIMATED
            if name in blocked or name in _OTHERWISE or name not in _BLOCKED
        ),
        compile_peak_bytes=_compile_peak(loaded.model, decided, static, data, request, macs),
        notes=notes,
    )


def _at_sample_shapes(request: CompileRequest, target: TargetSpec, loaded: Loaded, data: CompileData) -> ir.Model:
    """A copy of the model with its dynamic dimensions at those of the first sample, so that bytes can be counted.

    The batch stays free: it is 1 on the device, and the compiler's own choice while it observes.
    """
    first = None if data.calibration is None else next(iter(data.calibration))
    feeds = {} if first is None else loaded.baking.feeds(first.feeds)
    shapes = dict(request.shapes)
    for value in loaded.before.graph.inputs:
        given = feeds.get(str(value.name))
        if given is None or value.shape is None or str(value.name) in shapes:
            continue
        if any(not isinstance(dim, int) for dim in list(value.shape)[1:]):
            shapes[str(value.name)] = given.shape
    if shapes == dict(request.shapes):
        return loaded.model.clone()
    return load_for(request, target, shapes).model


def _decide(model: ir.Model, recipe: Recipe) -> None:
    """Run the recipe up to its decisions, or to fp16."""
    passes = recipe.passes
    half = next((k for k, each in enumerate(passes) if isinstance(each, ComputeInHalf)), len(passes))
    until = next((k + 1 for k, each in enumerate(passes) if isinstance(each, DecideQuantization)), half)
    run_unmeasured(model, passes[:until])


def _in_blocks(model: ir.Model, target: TargetSpec, policy: Policy) -> Mapping[str, tuple[ir.Model, Blocked]]:
    """Scheme → a copy of the model as its recipe decides it, and the weights it stores in blocks."""
    found = {}
    for scheme in _BLOCKED:
        copy = model.clone()
        try:
            recipe = recipe_for(target, replace(policy, scheme=scheme))
        except EdgecError:
            continue  # the target has no kernel for it, or another option does not go with it
        if blocked := weights_in_blocks(copy, recipe):
            found[scheme] = (copy, blocked)
    return found


def _compile_peak(
    model: ir.Model,
    decided: ir.Model,
    recipe: Recipe,
    data: CompileData,
    request: CompileRequest,
    macs: Mapping[str, int],
) -> int:
    """Peak of a static compile, without the proof."""
    computing = next((each for each in recipe.passes if isinstance(each, ComputeParams)), ComputeParams())
    needs = computing.needs(decided)
    samples = data.calibration
    return compile_peak(
        decided,
        needs,
        samples=0 if samples is None else len(samples),
        sessions=2 if samples is not None and counted_every(needs, samples) > 1 else 1,
        threads=request.threads,
        macs=sum(macs.values()),
        guarded=request.search and weight_bytes(model) <= LARGEST_WEIGHTS,
    )
