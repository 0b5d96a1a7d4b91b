"""What a compile would do, and whether the result fits: nothing is run, nothing is written.

Bytes are estimates from the graph's shapes; the constants are fitted to ONNX Runtime 1.31.1 on Linux x86-64
(`make bench-memory` compares them with measured runs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from ..passes.base import Pass
from ..passes.edit import SkipNotes
from ..passes.lower.compute_in_half import ComputeInHalf
from ..passes.observe.statistics import Need
from ..passes.quantize.compute_params import ComputeParams
from ..passes.quantize.decide import DecideQuantization
from ..passes.quantize.decision import decided_nodes, source_of
from ..passes.recipe import Recipe
from ..targets.pipeline import recipe_for
from ..targets.policy import STATIC_SCHEMES, widths
from ..targets.spec import TargetSpec
from .adapters.adapt import sparing_adapters
from .compile import load_for, resolve_recipe
from .data import CompileData, open_data, with_cache
from .load import Loaded
from .materialize import weight_bytes
from .observing.part import counted_every
from .older import target_of
from .pipeline import run_passes
from .planning.liveness import peak_activation_bytes, value_elements
from .planning.macs import macs_by_op, unsized_notes
from .planning.peak import compile_peak
from .request import CompileRequest
from .scheme import choose_scheme
from .search import LARGEST_WEIGHTS
from .signature import inputs_of
from .unread import unread

__all__ = ["Plan", "SchemeEstimate", "plan"]

# A serialized node without its names; what Q/DQ adds for one quantized value or constant: two nodes and their
# initializers, which spell the value's name ten times.
_NODE_BYTES = 60
_QDQ_BYTES = 330
_QDQ_NAMES = 10
# Fitted to nine models of 0.1 to 14 MB: a process that imports ONNX Runtime and opens a session, the session's own
# record of each node, copies of the weights (protobuf, initializers, packed), and what the arena takes for the
# activations alive at once.
_RUNTIME_BYTES = 27 << 20
_SESSION_NODE_BYTES = 8 << 10
_FLOAT_COPIES = 3.2
_INTEGER_COPIES = 1.3
_ARENA = 1.5
# From the largest file to the smallest, weights alone before static.
_ESTIMATED = ("float", "fp16", "bf16", "w8", "w4", "d8w8", "a16w8", "a16w4", "a8w8", "a8w4")
# Fewest elements of a constant that is stored in fewer bits; elements of 4 bits that share a scale of 4 bytes.
_COMPACT, _BLOCK = 256, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemeEstimate:
    """What one scheme would need on the device, in bytes, for one sample at a time.

    Attributes:
        scheme: Its name.
        file_bytes: The model file.
        weights_bytes: Weights once loaded.
        activation_bytes: Activations alive at once.
        cache_bytes: State carried between steps.
        load_bytes: Process memory after loading: runtime, weights, packed weights.
        peak_bytes: Process memory while running.
        fits: Whether the peak is within the target's memory; None when the target does not say.
    """

    scheme: str
    file_bytes: int
    weights_bytes: int
    activation_bytes: int
    cache_bytes: int
    load_bytes: int
    peak_bytes: int
    fits: bool | None


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
    request = with_cache(request, loaded.model)
    data = open_data(request, inputs, loaded.baking, loaded.companions)
    calibrated = data.calibration is not None
    scheme, reason = choose_scheme(
        request.policy.scheme, loaded.model, calibrated=calibrated, native=target.native, stored=loaded.stored
    )
    recipe = resolve_recipe(request, target, scheme)
    whole = scheme in STATIC_SCHEMES or not target.rules
    static = recipe_for(target, replace(request.policy, scheme=scheme if whole else "a8w8")).without_samples()
    decided = _at_sample_shapes(request, target, loaded, data)
    macs, notes = macs_by_op(decided), (*loaded.notes, *unread(request, target, scheme), *unsized_notes(decided))
    _decide(decided, static)
    decides = scheme in STATIC_SCHEMES
    state = sum(_state_bytes(value) for value in loaded.model.graph.inputs if value.name in request.state.carried)
    return Plan(
        target=target,
        scheme=scheme,
        reason=reason,
        recipe=recipe,
        macs=macs,
        integer_nodes=tuple(str(node.name) for node, _ in decided_nodes(decided.graph)) if decides else (),
        float_nodes=SkipNotes.of(decided) if decides else {},
        schemes=tuple(_estimate(name, decided, target, state) for name in _ESTIMATED),
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
    """Run the recipe up to its decisions, or to fp16; what goes by samples changes numbers, and no decision."""
    passes = recipe.passes
    half = next((k for k, each in enumerate(passes) if isinstance(each, ComputeInHalf)), len(passes))
    until = next((k + 1 for k, each in enumerate(passes) if isinstance(each, DecideQuantization)), half)
    run_passes(model, [each for each in passes[:until] if type(each).needs is Pass.needs], measure=_never)


def _never(model: ir.Model, needs: Sequence[Need]) -> None:
    raise AssertionError(f"a decision on {model.graph.name} asked for {len(needs)} observations")


def _estimate(scheme: str, model: ir.Model, target: TargetSpec, cache: int) -> SchemeEstimate:
    graph = model.graph
    decided = dict(decided_nodes(graph))
    static, eight = scheme in STATIC_SCHEMES, scheme in ("a8w8", "a8w4")
    small = {node.inputs[d.weight[0]] for node, d in decided.items() if d.weight is not None} if static else set()
    matrices = {n.inputs[1] for n in graph if n.op_type in ("MatMul", "Gemm") and len(n.inputs) > 1}
    integer = small if eight else matrices if scheme == "d8w8" else set()
    stored, loaded, values = 0, 0, 0
    graphs = (graph, *graph.subgraphs())
    for value in (value for each in graphs for value in each.initializers.values()):
        if value.const_value is None or not value.uses():
            continue  # replaced by a rewrite; gone when the model is packed
        stored += _stored_bytes(value, scheme, decided=value in small or value in integer)
        loaded += value_elements(value) if value in integer else value.const_value.nbytes
    if static:
        quantized = [value for node in graph for value in node.outputs if source_of(value) is not None]
        stored += sum(_qdq_bytes(value) for value in quantized)
        values = len(quantized) + len(decided)
    stored += sum(
        _NODE_BYTES + sum(len(v.name or "") for v in (*n.inputs, *n.outputs) if v) + len(n.name or "")
        for each in graphs
        for n in each
    )
    activations = peak_activation_bytes(model, lambda value: _width(value, scheme))
    copies = _INTEGER_COPIES if eight else _FLOAT_COPIES
    load = int(_RUNTIME_BYTES + stored + copies * loaded + _SESSION_NODE_BYTES * (len(graph) + 2 * values))
    peak = int(load + _ARENA * activations + cache)
    memory = target.limits.memory_bytes
    return SchemeEstimate(
        scheme=scheme,
        file_bytes=stored,
        weights_bytes=loaded,
        activation_bytes=activations,
        cache_bytes=cache,
        load_bytes=load,
        peak_bytes=peak,
        fits=None if memory is None else peak <= memory,
    )


def _stored_bytes(value: ir.Value, scheme: str, *, decided: bool) -> int:
    """Bytes of one constant in the file, with the nodes that expand it."""
    assert value.const_value is not None
    size, elements = value.const_value.nbytes, value_elements(value)
    if value.dtype != ir.DataType.FLOAT or scheme == "float" or (elements < _COMPACT and not decided):
        return size
    if scheme in ("fp16", "bf16"):
        return 2 * elements + _NODE_BYTES
    if widths(scheme)[1] == 8:
        return elements + _qdq_bytes(value)
    scales = 0 if decided else 4 * elements // _BLOCK
    return elements // 2 + scales + _qdq_bytes(value)


def _qdq_bytes(value: ir.Value) -> int:
    """Bytes of the nodes, names and scales (float32, one per output channel at most) behind one quantized value."""
    return _QDQ_BYTES + _QDQ_NAMES * len(value.name or "") + (5 * _channels(value) if value.is_initializer() else 0)


def _channels(value: ir.Value) -> int:
    dims = [] if value.shape is None else [dim for dim in value.shape if isinstance(dim, int)]
    return dims[0] if len(dims) > 1 else 1


def _width(value: ir.Value, scheme: str) -> int:
    """Bytes of one element while the model runs under a scheme."""
    if scheme in ("a8w8", "a8w4") and source_of(value) is not None:
        return 1
    return 4 if value.dtype is None else max(1, int(np.ceil(value.dtype.itemsize)))


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


def _state_bytes(value: ir.Value) -> int:
    return value_elements(value) * _width(value, "float")
