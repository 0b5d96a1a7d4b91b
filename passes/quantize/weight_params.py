"""The params of a node's constant operand: its own range, widened where its bias asks for it."""

from __future__ import annotations

import onnx_ir as ir

from ..edit import constant_array
from ..spec import QuantParams
from .decision import Decision, clipped_of, read_params, rounded_of
from .params import of_tensor, widen_for_bias

__all__ = ["bias_params_of", "weight_params"]


def weight_params(node: ir.Node, decision: Decision) -> QuantParams:
    """Params of the constant operand of a node, after `ComputeParams`; those it was rounded with, if it was.

    Else its range as `ClipWeights` chose it, or its extremes.

    Args:
        node: A node whose decision has a `weight`.
        decision: Its decision.
    """
    rounded = rounded_of(node)
    if rounded is not None:
        return rounded.params
    assert decision.weight is not None
    index, spec = decision.weight
    x = constant_array(node.inputs[index])
    assert x is not None
    params = clipped_of(node) or of_tensor(spec, x)
    if decision.bias is None:
        return params
    b = constant_array(node.inputs[decision.bias[0]])
    assert b is not None
    return widen_for_bias(params, _activation(node, decision), b.reshape(-1))


def bias_params_of(node: ir.Node, decision: Decision, weight: QuantParams) -> QuantParams:
    """Params of the bias of a node, which follow from its activation's and its weight's."""
    assert decision.bias is not None
    return decision.bias[1].fn(_activation(node, decision), weight)


def _activation(node: ir.Node, decision: Decision) -> QuantParams:
    operand = node.inputs[decision.activations[0]]
    assert operand is not None
    return read_params(operand, decision)
