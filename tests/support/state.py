"""What a model is, so that two states can be compared."""

from __future__ import annotations

import onnx_ir as ir

from edgec.passes.quantize.decision import clipped_of, decided_nodes, decided_values, params_of, rounded_of
from edgec.passes.weight_only.storage import blocks_of, stored_values

__all__ = ["signature", "snapshot"]


def signature(model: ir.Model) -> list[tuple[object, ...]]:
    """Names, types and shapes of the graph's inputs and outputs, in order, and which inputs have a default."""
    graph = model.graph
    inputs = [(v.name, str(v.type), str(v.shape), v.is_initializer()) for v in graph.inputs]
    return [*inputs, *((v.name, str(v.type), str(v.shape)) for v in graph.outputs)]


def snapshot(model: ir.Model) -> tuple[bytes, tuple[object, ...]]:
    """The file it would make, and what was decided and computed for its nodes and values."""
    graph = model.graph
    decided = tuple(decided_nodes(graph))
    decisions = tuple(
        (node.name, str(decision), rounded_of(node) is not None, clipped_of(node) is not None)
        for node, decision in decided
    )
    values = tuple((v.name, str(source), params_of(v) is not None) for v, source in decided_values(graph))
    stored = tuple((v.name, str(storage), blocks_of(v) is not None) for v, storage in stored_values(model))
    return ir.serde.serialize_model(model).SerializeToString(deterministic=True), (decisions, values, stored)
