"""Sequential bias correction: b -= E[quantized output] - E[float output], one layer after the other.

Nagel et al. 2019 (DFQ), arXiv 1906.04721, appendix D, with measured means. Each layer is measured with its inputs
quantized and every layer before it corrected, so that what its activations lose is taken back too.

One call corrects one layer, on its int32 bias; the driver measures the next one in the model as it is then, and calls
again. Behind `OwnBiases` and `InsertQdq`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, is_op
from ..observe.statistics import Mean, Need, observation_of
from .own_biases import OUTPUT_MEANS, float_mean

__all__ = ["CorrectBiasInTurn"]

_CORRECTED = "edgec.bias_corrected_in_turn"
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, kw_only=True)
class CorrectBiasInTurn(Pass):
    """Take what quantization shifts in the mean of a Conv or Gemm out of its int32 bias."""

    @property
    def in_turn(self) -> bool:
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        node = _next(model)
        return () if node is None else (Need(value=str(node.outputs[0].name), statistic=OUTPUT_MEANS),)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        node = _next(model)
        measured = None if node is None else observation_of(node.outputs[0], OUTPUT_MEANS)
        if node is None or not isinstance(measured, Mean):
            return ir.passes.PassResult(model, modified=False)
        node.meta[_CORRECTED] = True
        return ir.passes.PassResult(model, modified=_correct(node, measured.mean))


def _next(model: ir.Model) -> ir.Node | None:
    """The first node that is not corrected yet."""
    return next((node for node in model.graph if float_mean(node) is not None and _CORRECTED not in node.meta), None)


def _correct(node: ir.Node, measured: np.ndarray) -> bool:
    """Change the stored bias by the shift of the mean, in whole steps; whether any did."""
    bias = node.inputs[2]
    dq = None if bias is None else bias.producer()
    assert dq is not None
    assert is_op(dq, "DequantizeLinear"), f"{node.name}: its bias is not stored in integers"
    stored, scale = dq.inputs[0], constant_array(dq.inputs[1])
    codes = constant_array(stored)
    assert stored is not None
    assert codes is not None
    assert scale is not None
    shifted = measured - float_mean(node)
    steps = np.rint(np.where(np.isfinite(shifted), shifted, 0.0) / scale.astype(np.float64))
    corrected = np.clip(codes - steps, _INT32.min, _INT32.max).astype(np.int32)
    stored.const_value = ir.Tensor(corrected, name=stored.name)
    return not np.array_equal(corrected, codes)
