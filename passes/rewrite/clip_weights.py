"""Give weights a smaller range where that costs their layer's output less: one large weight makes all others coarse.

Placed behind `ComputeParams`: only the params of weights are chosen here, by `clipping.best_factors`; weights stay as
they are. Per channel, or one factor for a weight with one scale.

1. Conv (any group), Gemm and MatMul with a constant matrix and symmetric params.
2. A weight that several nodes read is left alone: they would have to agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array
from ..observe.statistics import Gram, Need, Products, observation_of
from ..quantize.decision import Decision, clipped_of, decided_nodes, rounded_of, set_clipped
from ..quantize.params import expand, of_tensor
from ..round.inputs import products_of, to_matrix
from ..spec import PerBlock, PerTensor, QuantParams
from .clipping import best_factors

__all__ = ["ClipWeights"]


@dataclass(frozen=True, kw_only=True)
class ClipWeights(Pass):
    """Write clipped params of weights on the nodes that read them; no edit.

    Attributes:
        max_columns: Weights with more columns than this keep their range: a Gram matrix has columns² elements.
    """

    max_columns: int = 4608

    def needs(self, model: ir.Model) -> Sequence[Need]:
        return tuple(
            Need(value=str(node.inputs[0].name), statistic=form)
            for node, decision in decided_nodes(model.graph)
            if node.inputs[0] is not None and (form := self._form(node, decision)) is not None
        )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node, decision in decided_nodes(model.graph):
            form = self._form(node, decision)
            x = node.inputs[0]
            observed = None if form is None or x is None else observation_of(x, form)
            if isinstance(observed, Gram) and np.isfinite(observed.matrix).all():
                modified |= _clip(node, decision, observed.matrix)
        return ir.passes.PassResult(model, modified=modified)

    def _form(self, node: ir.Node, decision: Decision) -> Products | None:
        """What to observe of the input of a node, or None where its weight keeps its range."""
        if decision.weight is None or rounded_of(node) is not None or clipped_of(node) is not None:
            return None
        weight, spec = node.inputs[decision.weight[0]], decision.weight[1]
        if weight is None or len(tuple(weight.uses())) != 1 or not spec.symmetric:
            return None
        form = products_of(node, decision)
        array = constant_array(weight)
        if not isinstance(form, Products) or array is None or isinstance(spec.granularity, PerBlock):
            return None
        return form if to_matrix(node, array).shape[-1] <= self.max_columns else None


def _clip(node: ir.Node, decision: Decision, gram: np.ndarray) -> bool:
    """Search the factors of one weight and remember its params; whether any is below 1."""
    assert decision.weight is not None
    index, spec = decision.weight
    x = constant_array(node.inputs[index])
    assert x is not None
    params = of_tensor(spec, x)
    scale = to_matrix(node, np.broadcast_to(expand(params, x)[0], x.shape))[..., :1].astype(np.float64)
    together = isinstance(spec.granularity, PerTensor)
    W = to_matrix(node, x).astype(np.float64)
    beta = best_factors(W, gram, scale, spec.qmin, spec.qmax, together=together)
    if np.all(beta == 1.0):
        return False
    factor = beta.reshape(-1)[0] if together else beta.reshape(-1)
    clipped = QuantParams(spec=spec, scale=np.asarray(params.scale * factor, np.float32), zero_point=params.zero_point)
    set_clipped(node, clipped)
    return True
