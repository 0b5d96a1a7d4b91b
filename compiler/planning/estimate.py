"""What a scheme would need on a device, counted from shapes: bytes of the file, of weights, of activations.

The constants are fitted to ONNX Runtime 1.31.1 on Linux x86-64 (`make bench-memory` compares them with measured runs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ...passes.quantize.decision import decided_nodes, source_of
from ...targets.policy import STATIC_SCHEMES, widths
from ...targets.spec import TargetSpec
from .liveness import peak_activation_bytes, value_elements
from .weights import InBlocks

__all__ = ["Blocked", "SchemeEstimate", "estimate", "state_bytes"]

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
# Fewest elements of a constant that is stored in fewer bits; elements of 4 bits that share a scale of 4 bytes.
_COMPACT, _BLOCK = 256, 32
# Codes of 2 and 3 bits are taken apart by so many times the nodes; those of 3 read a table they share.
_APART, _TABLE = {2: 4, 3: 6}, 2048
Blocked: TypeAlias = Mapping[str, InBlocks]


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


def estimate(scheme: str, model: ir.Model, blocked: Blocked, target: TargetSpec, cache: int) -> SchemeEstimate:
    """What a scheme would need.

    Args:
        scheme: Its name.
        model: The model with what the scheme decides; dimensions are those of a sample.
        blocked: The weights it stores in blocks.
        target: The target.
        cache: Bytes of state.
    """
    graph = model.graph
    decided = dict(decided_nodes(graph))
    static = scheme in STATIC_SCHEMES
    eight = static and widths(scheme)[0] <= 8
    small = {node.inputs[d.weight[0]] for node, d in decided.items() if d.weight is not None} if static else set()
    matrices = {n.inputs[1] for n in graph if n.op_type in ("MatMul", "Gemm") and len(n.inputs) > 1}
    integer = small if eight else matrices if scheme == "d8w8" else set()
    stored, loaded, packed, values = 0, 0, 0, 0
    graphs = (graph, *graph.subgraphs())
    for value in (value for inner in graphs for value in inner.initializers.values()):
        if value.const_value is None or not value.uses():
            continue  # replaced by a rewrite; gone when the model is packed
        each = blocked.get(str(value.name))
        if each is not None:
            nodes = 1 if each.packed and each.bits != 3 else _APART.get(each.bits, 1)
            stored += each.stored + nodes * (_QDQ_BYTES + _QDQ_NAMES * len(value.name or ""))
            loaded, packed = loaded + each.loaded * (not each.packed), packed + each.loaded * each.packed
            continue
        stored += _stored_bytes(value, "w8" if blocked else scheme, decided=value in small or value in integer)
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
    stored += _TABLE if any(each.bits == 3 for each in blocked.values()) else 0
    activations = peak_activation_bytes(model, lambda value: _width(value, scheme))
    copies = _INTEGER_COPIES if eight else _FLOAT_COPIES
    weights = copies * loaded + _INTEGER_COPIES * packed
    load = int(_RUNTIME_BYTES + stored + weights + _SESSION_NODE_BYTES * (len(graph) + 2 * values))
    peak = int(load + _ARENA * activations + cache)
    memory = target.limits.memory_bytes
    return SchemeEstimate(
        scheme=scheme,
        file_bytes=stored,
        weights_bytes=loaded + packed,
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
    if widths(scheme)[1] > 4:
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


def state_bytes(value: ir.Value) -> int:
    """Bytes of one value that is carried between steps."""
    return value_elements(value) * _width(value, "float")
