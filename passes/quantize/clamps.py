"""Relu and Clip as what they are to a quantizer: bounds on a value."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import constant_array, constant_scalar, is_op, sole_consumer

__all__ = ["bounds_of", "clamp_behind"]

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


def bounds_of(node: ir.Node | None) -> tuple[float, float]:
    """Smallest and largest value a node can write, as far as its clamping tells; infinite where it does not."""
    bounds = [-np.inf, np.inf]
    if is_op(node, "Relu"):
        bounds[0] = 0.0
    if node is not None and is_op(node, "Clip"):
        for index in (1, 2):
            if len(node.inputs) > index and (bound := constant_scalar(node.inputs[index])) is not None:
                bounds[index - 1] = bound
    return bounds[0], bounds[1]
