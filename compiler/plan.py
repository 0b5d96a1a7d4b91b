"""What a compile would do, and whether the result fits: nothing is run, nothing is written.

Bytes are estimates from the graph's shapes; the constants are fitted to ONNX Runtime 1.31.1 on Linux x86-64
(`make bench-memory` compares them with measured runs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from ..passes.edit import SkipNotes
from ..passes.quantize.decide import DecideQuantization
from ..passes.quantize.decision import decided_nodes, source_of
from ..passes.recipe import Recipe
from ..targets import find_target
from ..targets.pipeline import recipe_for
from ..targets.policy import Policy
from ..targets.spec import TargetSpec
from .compile import resolve_recipe
from .data import open_data
from .liveness import peak_activation_bytes, value_elements
from .load import load_model
from .macs import macs_by_op
from .materialize import EXTERNAL_ABOVE, weight_bytes
from .memory import resident_bytes
from .pipeline import run_passes
from .request import CompileRequest
from .scheme import choose_scheme
from .signature import inputs_of

__all__ = ["Plan", "SchemeEstimate", "plan"]

# One serialized node with its names, and what Q/DQ adds for one quantized value, in bytes.
_NODE_BYTES = 160
_QDQ_BYTES = 560
# A process that holds ONNX Runtime's library and nothing else.
_RUNTIME_BYTES = 24 << 20
# What the compiler adds to its imports: sessions, arenas, protobuf copies of the weights.
_SESSION_BYTES = 12 << 20
_WEIGHT_COPIES = 4.0


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
        notes: What loading had to do.
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
    request = CompileRequest(model=model, **options)
    target = find_target(request.target)
    loaded = load_model(
        request.model,
        shapes=request.shapes,
        opset_floor=target.opset,
        max_opset=target.max_opset,
        max_ir_version=target.max_ir_version,
        already_quantized="accept" if request.scheme == "float" else "refuse",
    )
    inputs = inputs_of(loaded.model)
    calibrated = open_data(request, inputs).calibration is not None
    scheme, reason = choose_scheme(request.scheme, loaded.model, calibrated=calibrated)
    recipe = resolve_recipe(request, target, scheme)
    static = recipe_for(target, Policy(scheme="a8w8", exclude_nodes=request.exclude_nodes,
                                       exclude_ops=request.exclude_ops, only_ops=request.only_ops))  # fmt: skip
    decided = loaded.model.clone()
    _decide(decided, static)
    state = sum(_state_bytes(value) for value in loaded.model.graph.inputs if value.name in request.state.carried)
    return Plan(
        target=target,
        scheme=scheme,
        reason=reason,
        recipe=recipe,
        macs=macs_by_op(loaded.model),
        integer_nodes=tuple(str(node.name) for node, _ in decided_nodes(decided.graph)) if scheme == "a8w8" else (),
        float_nodes=SkipNotes.of(decided) if scheme == "a8w8" else {},
        schemes=tuple(_estimate(name, decided, target, state) for name in ("float", "w8", "d8w8", "a8w8")),
        compile_peak_bytes=_compile_peak(loaded.model, decided),
        notes=loaded.notes,
    )


def _decide(model: ir.Model, recipe: Recipe) -> None:
    """Run the recipe up to its decisions; nothing needs to be observed for that."""
    until = next(k for k, each in enumerate(recipe.passes) if isinstance(each, DecideQuantization))
    run_passes(model, recipe.passes[: until + 1], measure=lambda model, needs: None)


def _estimate(scheme: str, model: ir.Model, target: TargetSpec, cache: int) -> SchemeEstimate:
    graph = model.graph
    decided = dict(decided_nodes(graph))
    small = {node.inputs[d.weight[0]] for node, d in decided.items() if d.weight is not None}
    matrices = {n.inputs[1] for n in graph if n.op_type in ("MatMul", "Gemm") and len(n.inputs) > 1}
    stored, loaded, values = 0, 0, 0
    for value in graph.initializers.values():
        if value.const_value is None:
            continue
        size, elements = value.const_value.nbytes, value_elements(value)
        integer = scheme == "a8w8" and value in small or scheme == "d8w8" and value in matrices
        compact = integer or (scheme in ("w8", "d8w8") and value.dtype == ir.DataType.FLOAT and elements >= 256)
        stored += elements if compact else size
        loaded += elements if integer else size
    if scheme == "a8w8":
        values = sum(1 for node in graph for value in node.outputs if source_of(value) is not None) + len(decided)
    activations = peak_activation_bytes(model, lambda value: _width(value, scheme))
    file = stored + _NODE_BYTES * len(graph) + _QDQ_BYTES * values
    # ONNX Runtime keeps the initializers and, for the kernels that pack, a second copy in their own layout.
    load = _RUNTIME_BYTES + file + 2 * loaded
    peak = load + activations + cache
    memory = target.limits.memory_bytes
    return SchemeEstimate(
        scheme=scheme,
        file_bytes=file,
        weights_bytes=loaded,
        activation_bytes=activations,
        cache_bytes=cache,
        load_bytes=load,
        peak_bytes=peak,
        fits=None if memory is None else peak <= memory,
    )


def _width(value: ir.Value, scheme: str) -> int:
    """Bytes of one element while the model runs under a scheme."""
    if scheme == "a8w8" and source_of(value) is not None:
        return 1
    return 4 if value.dtype is None else max(1, int(np.ceil(value.dtype.itemsize)))


def _compile_peak(model: ir.Model, decided: ir.Model) -> int:
    """Peak of a static compile: imports, the weights in several copies, the observed graph's activations."""
    weights = weight_bytes(model)
    activations = peak_activation_bytes(decided, lambda value: _width(value, "float"))
    held = weights * _WEIGHT_COPIES if weights <= EXTERNAL_ABOVE else weights
    return int(resident_bytes() + _SESSION_BYTES + held + 2 * activations)


def _state_bytes(value: ir.Value) -> int:
    return value_elements(value) * _width(value, "float")
