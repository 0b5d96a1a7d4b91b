"""Prepare sequential bias correction: every Conv and Gemm gets a bias of its own, and its float mean is noted.

Last before `InsertQdq`, while the model is still float; `CorrectBiasInTurn` follows behind it. Exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import skip, value_names
from ..observe.statistics import Mean, Means, Need, forget_observations, observation_of
from ..quantize.decision import Decision, decided_nodes
from .own_bias import own_bias, why_no_bias

__all__ = ["OUTPUT_MEANS", "OwnBiases", "float_mean"]

OUTPUT_MEANS = Means(axis=1)  # channels of what a Conv writes, columns of what a Gemm does
_MEAN = "edgec.float_mean"


@dataclass(frozen=True, kw_only=True)
class OwnBiases(Pass):
    """Give each Conv and Gemm that runs in integers its own bias, and note the mean of what it writes in float."""

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(
            Need(value=str(node.outputs[0].name), statistic=OUTPUT_MEANS)
            for node, decision in decided_nodes(model.graph)
            if float_mean(node) is None and _why_not(node, decision) is None
        )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        modified = False
        for node, decision in tuple(decided_nodes(model.graph)):
            reason = _why_not(node, decision)
            if reason:
                skip(node, reason)
            elif reason is None and float_mean(node) is None:
                output = node.outputs[0]
                mean = observation_of(output, OUTPUT_MEANS)
                assert isinstance(mean, Mean), f"{output.name} was not observed"
                node.meta[_MEAN] = mean.mean
                forget_observations(output)  # what is measured of it next is the quantized model's
                own_bias(model.graph, node, decision, np.zeros_like(mean.mean), taken)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _why_not(node: ir.Node, decision: Decision) -> str | None:
    reason = why_no_bias(node, decision)
    return "writes an output of unknown rank" if reason is None and node.outputs[0].shape is None else reason


def float_mean(node: ir.Node) -> np.ndarray | None:
    """The mean of each output channel of a node in float; None where it was not noted."""
    return node.meta.get(_MEAN)
