"""Postprocessing as nodes behind a model: Softmax, ArgMax, TopK, codes of embeddings.

A Softmax is written before anything is measured, so that the target's rules see it. Which class is the largest is
written last, behind the finished graph: nothing about it is to be decided, and a search judges what it chooses from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from ...passes.edit import add_initializer, fresh_name, opset_of, value_names
from .codes import Coding, append_code
from .spec import BakedOutput

__all__ = ["bake_choices", "bake_softmax"]


def bake_softmax(graph: ir.Graph, outputs: Mapping[str, BakedOutput]) -> None:
    """A Softmax behind every output that asks for one; the output's name moves to it."""
    for index, value in enumerate(graph.outputs):
        spec = outputs.get(str(value.name))
        if spec is not None and spec.softmax:
            _append(graph, index, "Softmax", axis=_axis(spec, value))


def bake_choices(
    model: ir.Model, outputs: Mapping[str, BakedOutput], ranks: Mapping[str, int], codings: Mapping[str, Coding]
) -> ir.Model:
    """A copy of the model with an ArgMax or TopK behind every output that asks for one; itself where none does.

    Args:
        model: Whose outputs have the names they had.
        outputs: What is asked.
        ranks: Axes of the outputs before, which a finished graph may not say.
        codings: How those that are embeddings are coded.
    """
    if not any(spec.discrete for spec in outputs.values()):
        return model
    model = model.clone()
    graph = model.graph
    for index, value in enumerate(tuple(graph.outputs)):
        name = str(value.name)
        spec = outputs.get(name)
        if spec is None or not spec.discrete:
            continue
        if spec.code is not None:
            append_code(graph, index, codings[name], ranks[name], opset_of(model))
            continue
        axis = (1 if spec.axis is None else spec.axis) % ranks[name]
        shape: list[Any] = [None] * ranks[name] if value.shape is None else list(value.shape)
        if spec.argmax:
            result = _append(graph, index, "ArgMax", axis=axis, keepdims=0)
            result.shape = ir.Shape(shape[:axis] + shape[axis + 1 :])
            result.type = ir.TensorType(ir.DataType.INT64)
            continue
        assert spec.topk is not None
        taken = value_names(graph)
        count = add_initializer(graph, fresh_name(f"{name}_k", taken), np.asarray([spec.topk], np.int64))
        result = _append(graph, index, "TopK", count, outputs=2, axis=axis)
        shape[axis] = spec.topk
        node = result.producer()
        assert node is not None
        which = node.outputs[1]
        which.name, which.type = f"{name}_indices", ir.TensorType(ir.DataType.INT64)
        result.shape = which.shape = ir.Shape(shape)
        graph.outputs.append(which)
    return model


def _axis(spec: BakedOutput, value: ir.Value) -> int:
    assert value.shape is not None
    return (1 if spec.axis is None else spec.axis) % len(value.shape)


def _append(graph: ir.Graph, index: int, op: str, *operands: ir.Value, outputs: int = 1, **attributes: int) -> ir.Value:
    """A node behind output `index`, which takes its place and its name."""
    value = graph.outputs[index]
    name = str(value.name)
    taken = value_names(graph) | {node.name for node in graph if node.name}
    node = ir.node(op, [value, *operands], attributes, num_outputs=outputs, name=fresh_name(f"{name}_{op}", taken))
    result = node.outputs[0]
    result.type, result.shape = value.type, value.shape
    value.name = fresh_name(f"{name}_before_{op}", taken)
    result.name = name
    graph.append(node)
    for each, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[each] = result
    return result
