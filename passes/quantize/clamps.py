"""Relu, Clip and Min with a constant as what they are to a quantizer: bounds on a value."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, constant_scalar, is_op, sole_consumer

__all__ = ["bounds_of", "ceiling_behind", "clamp_behind"]

_CLAMPS = ("Relu", "Clip")


def clamp_behind(node: ir.Node) -> ir.Node | None:
    """The Relu or Clip that alone reads a node and whose bounds are constants around 0.

    A scale's range always holds 0: a clamp that cuts 0 off can never be left to saturation.
    """
    consumer = sole_consumer(node.outputs[0])
    if consumer is None or not is_op(consumer, *_CLAMPS) or consumer.graph is not node.graph:
        return None
    if consumer.inputs[0] is not node.outputs[0]:
        return None
    if any(value is not None and constant_array(value) is None for value in consumer.inputs[1:]):
        return None
    low, high = bounds_of(consumer)
    return consumer if low <= 0.0 <= high else None


def ceiling_behind(value: ir.Value) -> ir.Node | None:
    """The Min that alone reads a value, its other operand a constant that does not widen it and is not below 0."""
    node, producer = sole_consumer(value), value.producer()
    if node is None or producer is None or not is_op(node, "Min") or len(node.inputs) != 2:
        return None
    bound = constant_array(node.inputs[1] if node.inputs[0] is value else node.inputs[0])
    if bound is None or value.shape is None or node.outputs[0].shape != value.shape:
        return None
    if bound.ndim > len(value.shape) or not np.all(bound >= 0.0):
        return None
    return node if node.graph is producer.graph else None


def bounds_of(node: ir.Node | None) -> tuple[float, float]:
    """Smallest and largest value a node can write, as far as its clamping tells; infinite where it does not."""
    bounds = [-np.inf, np.inf]
    if is_op(node, "Relu"):
        bounds[0] = 0.0
    if node is not None and is_op(node, "Min") and len(node.inputs) == 2:
        for value, other in (node.inputs, node.inputs[::-1]):
            if value is not None and (most := constant_array(other)) is not None and most.size:
                bounds = [bounds_of(value.producer())[0], float(most.max())]
    if node is not None and is_op(node, "Clip"):
        for index in (1, 2):
            if len(node.inputs) > index and (bound := constant_scalar(node.inputs[index])) is not None:
                bounds[index - 1] = bound
    return bounds[0], bounds[1]
