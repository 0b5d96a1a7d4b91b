"""Conv(x, W, b) -> Conv(x, W, b - (W̃ - W) E[x]): what rounding W shifts in the mean is taken out of the bias.

Fast bias correction: E[x] is that of the float inputs. Placed behind everything that chooses the integers of weights
and before `InsertQdq`, so that the bias is corrected before it is quantized.

1. Conv (any group) and Gemm, their bias constant.
2. A node without a bias gets one, where its rule has a kernel with a bias.

MatMul has no bias and is left alone, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, skip, value_names
from ..observe.statistics import Mean, Means, Need, observation_of
from ..quantize.decision import Decision, decided_nodes, rounded_of
from ..quantize.params import dequantize, quantize
from ..quantize.weight_params import weight_params
from .bias import shift
from .inputs import to_matrix
from .own_bias import own_bias, why_no_bias

__all__ = ["CorrectBias"]

_CORRECTED = "edgec.bias_corrected"
_MEANS = Means(axis=1)  # channels of what a Conv reads, columns of what a Gemm does


@dataclass(frozen=True, kw_only=True)
class CorrectBias(Pass):
    """Take the mean error of rounded weights out of the biases of Conv and Gemm."""

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(
            Need(value=str(_input(node).name), statistic=_MEANS)
            for node, decision in decided_nodes(model.graph)
            if _CORRECTED not in node.meta and why_no_bias(node, decision) is None
        )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        modified = False
        for node, decision in tuple(decided_nodes(model.graph)):
            reason = why_no_bias(node, decision)
            if reason:
                skip(node, reason)
            elif reason is None and _CORRECTED not in node.meta:
                node.meta[_CORRECTED] = True
                own_bias(model.graph, node, decision, -_shift(node, decision), taken)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _shift(node: ir.Node, decision: Decision) -> np.ndarray:
    """What rounding its weight shifts in the mean of each output channel of a node."""
    mean = observation_of(_input(node), _MEANS)
    assert isinstance(mean, Mean), f"{_input(node).name} was not observed"
    array = constant_array(node.inputs[1])
    assert array is not None
    rounded, params = rounded_of(node), weight_params(node, decision)
    codes = quantize(array, params) if rounded is None else rounded.codes
    error = to_matrix(node, dequantize(codes, params).astype(np.float64) - array)
    return shift(error, mean.mean)


def _input(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None
    return value
