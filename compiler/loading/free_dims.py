"""Dimensions that exporters leave free in ways of their own, as ONNX writes them: with neither size nor name.

Paddle2ONNX writes the size -1, or the name `?`, which then stands for several sizes at once. ONNX Runtime takes the
first as free, and compares no names.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

__all__ = ["free_dims"]

_NAMELESS = frozenset({"?", "None", "-1"})


def free_dims(model: onnx.ModelProto) -> None:
    """Clear negative sizes, and names that name nothing.

    Args:
        model: Changed in place, subgraphs included.
    """
    for graph in _graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            for dim in value.type.tensor_type.shape.dim if value.type.HasField("tensor_type") else ():
                if dim.dim_value < 0 or dim.dim_param in _NAMELESS:
                    dim.ClearField("value")


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _graphs(body)
