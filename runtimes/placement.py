"""Where every node runs, on ONNX Runtime's own evidence.

Two records of one session, which `runner.py` opens as the user would: the profile of one run (each kernel that
was executed, its provider and its operands' shapes, subgraphs included) and the assignment record
(`session.record_ep_graph_assignment_info`: the provider of each node before the provider's own fusions).

Of a plugin's partition the profile shows one event; what ran in it is read from the graph its backend writes, or from
the primitives its library prints.

What shapes cannot tell is read from the graph ONNX Runtime saves: the true channels of weights that its
blocked layout (nchwc) pads, and MatMulNBits' accuracy level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import onnx

from .base import Kernel, Placement
from .crossing import crossing_bytes, partitions
from .kernels import INTEGER_KERNELS, kernel_macs
from .onednn import PARTITION, opened
from .operands import Constants, all_operands, constants_of
from .qnn_graph import boundary_bytes, qnn_kernels
from .runner import Evidence

__all__ = ["placement_of"]

_NCHWC = re.compile(r"(?P<value>.*)_nchwc(?:_token_\d+)?$")
_KERNEL = "_kernel_time"
# A partition that TensorRT built an engine of (onnxruntime-gpu 1.31.1).
_ENGINE = "TRTKernel_"
# With x86 from AVX2 on and arm64 with dot products, MatMulNBits has int8 kernels: with neither (cortex-a53, a72,
# Nehalem, WebAssembly) its results are those of float (ONNX Runtime 1.31.1 under emulation, 2026-11).
_INT8_DOT = {"AVX2", "ASIMDDP"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Node:
    """What the saved graph tells of a node beyond the profile."""

    op_type: str
    weight: tuple[int, ...] | None
    accuracy_level: int


def placement_of(seen: Evidence) -> Placement:
    """The kernels that one run executed.

    Args:
        seen: What the run showed.
    """
    facts = {} if seen.graph is None else dict(_facts(onnx.load_model_from_string(seen.graph).graph))
    placed = None if seen.placed is None else onnx.load_model_from_string(seen.placed).graph
    kernels = tuple(_kernels(seen, facts, {} if placed is None else constants_of(placed)))
    if seen.printed is not None:
        kernels = opened(kernels, seen.printed, _total(seen.written))
    records = ["profile of one run"]
    if seen.assigned:
        records.append("ONNX Runtime's graph assignment record")
    if seen.backend:
        records.append("the types of the graph that the backend writes")
    if seen.printed is not None:
        records.append("the primitives that oneDNN prints")
    return Placement(
        kernels=kernels,
        partitions=partitions(kernels),
        crossing_bytes=_crossing(seen, kernels, placed),
        evidence=", ".join(records[:-1]) + (" and " if records[1:] else "") + records[-1],
    )


def _kernels(seen: Evidence, facts: Mapping[str, _Node], constants: Mapping[str, Constants]) -> Iterator[Kernel]:
    """One Kernel per node, its MACs summed over repeated executions (a Loop's body), in order of first execution."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for event in seen.events:
        args = event["args"]
        groups.setdefault((event["name"], args["op_name"], str(args.get("node_index", ""))), []).append(args)
    for (event_name, op_type, _), runs in groups.items():
        name = event_name.removesuffix(_KERNEL)
        runs = [{**args, "input_type_shape": all_operands(args, constants.get(name))} for args in runs]
        counted = [_macs(name, args, facts) for args in runs]
        first = runs[0]
        if seen.backend and name in seen.backend:
            yield from qnn_kernels(seen.backend[name], first["provider"])
            continue
        yield Kernel(
            name=name,
            op_type=op_type,
            provider=first.get("provider") or seen.assigned.get(name) or "unknown",
            inputs=_operands(first.get("input_type_shape")),
            outputs=_operands(first.get("output_type_shape")),
            macs=None if None in counted else sum(macs or 0 for macs in counted),
            integer=_is_integer(name, op_type, facts, seen.features),
        )


def _crossing(seen: Evidence, kernels: Sequence[Kernel], placed: Any) -> int | None:
    if seen.backend:
        return _boundaries(seen.events, seen.backend)
    if seen.printed is not None and partitions(kernels) > 1:  # no graph shows what passes between them
        return None
    return crossing_bytes(kernels, placed)


def _boundaries(events: Sequence[Mapping[str, Any]], backend: Mapping[str, str]) -> int:
    """Bytes that enter and leave the partitions that ran."""
    ran = {event["name"].removesuffix(_KERNEL) for event in events}
    return sum(boundary_bytes(dump) for name, dump in backend.items() if name in ran)


def _total(events: Sequence[Mapping[str, Any]] | None) -> int | None:
    """All MACs of the graph as written; None when they cannot be counted."""
    counted = [_macs("", event["args"], {}) for event in events or ()]
    return None if events is None or None in counted else sum(macs or 0 for macs in counted)


def _macs(name: str, args: Mapping[str, Any], facts: Mapping[str, _Node]) -> int | None:
    inputs = [shape for _, shape in _operands(args.get("input_type_shape"))]
    outputs = [shape for _, shape in _operands(args.get("output_type_shape"))]
    if args["op_name"].startswith((str(args.get("provider")) + "_", PARTITION, _ENGINE)):
        return None  # a partition of which its backend wrote no graph: anything may be in it
    blocked = _NCHWC.match(name)
    if blocked and args["op_name"] == "Conv":
        # Channels are padded to the block size, in weights and activations: take the true weight's.
        node = facts.get(blocked["value"])
        if node is not None and node.weight is not None and outputs and len(outputs[0]) == len(node.weight):
            batch, _, *spatial = outputs[0]
            return batch * prod(spatial) * prod(node.weight)
    return kernel_macs(args["op_name"], inputs, outputs)


def _is_integer(name: str, op_type: str, facts: Mapping[str, _Node], features: Sequence[str]) -> bool:
    if op_type == "MatMulNBits":
        # accuracy_level 4 quantizes the activations to int8 (onnxruntime contrib_ops MatMulNBits), where MLAS has
        # such kernels; elsewhere, and at other levels, it computes in float. A node without a name cannot be found
        # again: it is integer when all of its kind are.
        if not _INT8_DOT & set(features):
            return False
        named = facts.get(name)
        alike = [named] if named is not None else [node for node in facts.values() if node.op_type == op_type]
        return bool(alike) and all(node.accuracy_level == 4 for node in alike)
    return op_type in INTEGER_KERNELS


def _operands(listed: Any) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((dtype, tuple(shape)) for operand in listed or () for dtype, shape in operand.items())


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
