"""Append nodes to an instrumented graph: named after the probe they serve, their results small graph outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, opset_of

__all__ = ["emit", "integers", "publish", "rank_of", "reduce"]


def emit(
    model: ir.Model,
    op: str,
    inputs: Sequence[ir.Value],
    name: str,
    attributes: Mapping[str, int | Sequence[int]] | None = None,
) -> ir.Value:
    """Append one node; returns its output, which has the node's name."""
    node = ir.node(op, inputs, dict(attributes or {}), name=name)
    node.outputs[0].name = name
    model.graph.append(node)
    return node.outputs[0]


def integers(model: ir.Model, name: str, numbers: Sequence[int]) -> ir.Value:
    """An int64 vector as an initializer."""
    return add_initializer(model.graph, name, np.asarray(numbers, np.int64))


def publish(model: ir.Model, value: ir.Value, rank: int, dtype: ir.DataType = ir.DataType.FLOAT) -> str:
    """Make a value an output of the graph; returns its name."""
    value.type = ir.TensorType(dtype)
    value.shape = ir.Shape([None] * rank)
    model.graph.outputs.append(value)
    return str(value.name)


def reduce(model: ir.Model, kind: str, value: ir.Value, axes: Sequence[int] | None, name: str) -> ir.Value:
    """ReduceMax, ReduceMin or ReduceMean (`kind`) over `axes`, or all of them, which are then dropped."""
    attributes: dict[str, int | Sequence[int]] = {"keepdims": 0}
    inputs = [value]
    if axes is not None:
        if opset_of(model) >= 18:
            inputs.append(integers(model, f"{name}_axes", axes))
        else:
            attributes["axes"] = list(axes)
    return emit(model, f"Reduce{kind}", inputs, name, attributes)


def rank_of(value: ir.Value, name: str, wanted: str) -> int:
    """The rank of a value.

    Raises:
        ValueError: It is unknown, so that `wanted` cannot be measured.
    """
    if value.shape is None:
        raise ValueError(f"value {name!r}: {wanted} needs its rank, which is unknown")
    return len(value.shape)
