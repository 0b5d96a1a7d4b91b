"""Where every node runs, on ONNX Runtime's own evidence.

Two records of one session, opened as the user would open it: the profile of one run (each kernel that was
executed, its provider and its operands' shapes, subgraphs included) and the assignment record
(`session.record_ep_graph_assignment_info`: the provider of each node before the provider's own fusions).
Prepacking is off in that session: it drops prepacked weights from the profile and changes no node.

What shapes cannot tell is read from the graph ONNX Runtime saves: the true channels of weights that its
blocked layout (nchwc) pads, and MatMulNBits' accuracy level.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..errors import ModelError
from .base import Kernel, ModelSource, Placement, SessionSettings
from .kernels import INTEGER_KERNELS, kernel_macs
from .ort_session import ort_message, session_options, start_session

__all__ = ["placement"]

_NCHWC = re.compile(r"(?P<value>.*)_nchwc(?:_token_\d+)?$")
_KERNEL = "_kernel_time"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    """What the saved graph tells of a node beyond the profile."""

    op_type: str
    weight: tuple[int, ...] | None
    accuracy_level: int


def placement(
    model: ModelSource, settings: SessionSettings, feeds: Mapping[str, np.ndarray], *, where: str
) -> Placement:
    """The kernels one run of `feeds` executes.

    Args:
        model: A model file, its bytes, or its graph with the weights beside it.
        settings: How the user opens it.
        feeds: Checked feeds.
        where: Names the model in errors.

    Raises:
        ModelError: The model cannot be opened or run.
    """
    with TemporaryDirectory(prefix="edgec-") as folder:
        events, assigned = _profiled(model, settings, feeds, Path(folder), where)
        facts: dict[str, _Node] = {}
        if any(_needs_graph(event) for event in events):
            facts = _saved_graph(model, settings, Path(folder), where)
    kernels = tuple(_kernels(events, facts, assigned))
    return Placement(
        kernels=kernels,
        evidence="profile of one run" + (" and ONNX Runtime's graph assignment record" if assigned else ""),
    )


def _profiled(
    model: ModelSource, settings: SessionSettings, feeds: Mapping[str, np.ndarray], folder: Path, where: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Kernel events of one run, and the assigned provider of each node by name."""
    options = session_options(settings)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_session_config_entry("session.disable_prepacking", "1")
    session = _open(model, options, where)
    try:
        session.run(None, dict(feeds))
    except Exception as error:
        raise ModelError(
            where, f"ONNX Runtime fails when profiling it: {error}", remedy="Check that the model runs with these feeds"
        ) from error
    profile = Path(session.end_profiling())
    events = json.loads(profile.read_text(encoding="utf-8"))
    assigned = {}
    for group in _assignment(session):
        for node in group.get_nodes():
            assigned[node.name] = group.ep_name
    return [event for event in events if event.get("cat") == "Node" and event["name"].endswith(_KERNEL)], assigned


def _assignment(session: Any) -> Iterable[Any]:
    """The assignment record; empty where this ONNX Runtime keeps none."""
    try:
        found: Iterable[Any] = session.get_provider_graph_assignment_info()
    except Exception:  # older than 1.24: the method, or the record, is missing
        return ()
    return found


def _kernels(events: list[dict[str, Any]], facts: Mapping[str, _Node], assigned: Mapping[str, str]) -> Iterator[Kernel]:
    """One Kernel per node, its MACs summed over repeated executions (a Loop's body), in order of first execution."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for event in events:
        args = event["args"]
        groups.setdefault((event["name"], args["op_name"], str(args.get("node_index", ""))), []).append(args)
    for (event_name, op_type, _), runs in groups.items():
        name = event_name.removesuffix(_KERNEL)
        counted = [_macs(name, args, facts) for args in runs]
        first = runs[0]
        yield Kernel(
            name=name,
            op_type=op_type,
            provider=first.get("provider") or assigned.get(name) or "unknown",
            inputs=_operands(first.get("input_type_shape")),
            outputs=_operands(first.get("output_type_shape")),
            macs=None if None in counted else sum(macs or 0 for macs in counted),
            integer=_is_integer(name, op_type, facts),
        )


def _macs(name: str, args: Mapping[str, Any], facts: Mapping[str, _Node]) -> int | None:
    inputs = [shape for _, shape in _operands(args.get("input_type_shape"))]
    outputs = [shape for _, shape in _operands(args.get("output_type_shape"))]
    blocked = _NCHWC.match(name)
    if blocked and args["op_name"] == "Conv":
        # Channels are padded to the block size, in weights and activations: take the true weight's.
        node = facts.get(blocked["value"])
        if node is not None and node.weight is not None and outputs and len(outputs[0]) == len(node.weight):
            batch, _, *spatial = outputs[0]
            return batch * prod(spatial) * prod(node.weight)
    return kernel_macs(args["op_name"], inputs, outputs)


def _is_integer(name: str, op_type: str, facts: Mapping[str, _Node]) -> bool:
    if op_type == "MatMulNBits":
        # accuracy_level 4 quantizes the activations to int8 (onnxruntime contrib_ops MatMulNBits; MLAS has such
        # kernels for x86 from AVX2 on and for arm64 with dotprod); other levels compute in float. A node without
        # a name cannot be found again: it is integer when all of its kind are.
        named = facts.get(name)
        alike = [named] if named is not None else [node for node in facts.values() if node.op_type == op_type]
        return bool(alike) and all(node.accuracy_level == 4 for node in alike)
    return op_type in INTEGER_KERNELS


def _operands(listed: Any) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((dtype, tuple(shape)) for operand in listed or () for dtype, shape in operand.items())


def _needs_graph(event: Mapping[str, Any]) -> bool:
    name, op_type = event["name"].removesuffix(_KERNEL), event["args"]["op_name"]
    return op_type == "MatMulNBits" or (op_type == "Conv" and _NCHWC.match(name) is not None)


def _saved_graph(model: ModelSource, settings: SessionSettings, folder: Path, where: str) -> dict[str, _Node]:
    """Nodes of the graph as optimized before layouts are chosen, by output name and by node name."""
    import onnx
    import onnxruntime

    saved = folder / "optimized.onnx"
    options = session_options(settings)
    if settings.optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(saved)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    options.add_session_config_entry("session.disable_prepacking", "1")
    _open(model, options, where)
    return dict(_facts(onnx.load(saved, load_external_data=False).graph))


def _facts(graph: Any) -> Iterator[tuple[str, _Node]]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        level = next((attribute.i for attribute in node.attribute if attribute.name == "accuracy_level"), 0)
        weight = shapes.get(node.input[1]) if len(node.input) > 1 else None
        fact = _Node(op_type=node.op_type, weight=weight, accuracy_level=level)
        for name in (node.name, *node.output):
            if name:
                yield name, fact
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _facts(attribute.g)


def _open(model: ModelSource, options: Any, where: str) -> Any:
    try:
        # What keeps the weights alive is kept by the caller's own session of the same model.
        return start_session(model, options)[0]
    except Exception as error:
        raise ModelError(
            where,
            f"ONNX Runtime cannot open it for profiling: {ort_message(error)}",
            remedy="Check the file with `edgec inspect`",
        ) from error
