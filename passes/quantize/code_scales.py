"""Choose scales of blocks that are 4-bit multiples of one scale per column: `block_codes.code_scales`.

Placed between `DecideBlocks` and what chooses integers; from the weights alone, nothing is observed. Scales are
written as ordinary ones; `PartScales` finds their parts again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array
from ..spec import PerBlock, QuantParams, QuantSpec
from .block_codes import code_scales
from .decision import clipped_of, decided_nodes, set_clipped

__all__ = ["CodeScales"]


@dataclass(frozen=True, kw_only=True)
class CodeScales(Pass):
    """Write the params of weights with a scale per block on the nodes that read them; no edit."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        made: dict[tuple[ir.Value, QuantSpec], QuantParams] = {}
        modified = False
        for node, decision in decided_nodes(model.graph):
            if decision.weight is None or clipped_of(node) is not None:
                continue
            index, spec = decision.weight
            value = node.inputs[index]
            x = constant_array(value) if isinstance(spec.granularity, PerBlock) else None
            if value is None or x is None:
                continue
            if (value, spec) not in made:
                made[value, spec] = _params(spec, x)
            set_clipped(node, made[value, spec])
            modified = True
        return ir.passes.PassResult(model, modified=modified)


def _params(spec: QuantSpec, x: np.ndarray) -> QuantParams:
    assert isinstance(spec.granularity, PerBlock)
    scale = code_scales(x, spec.granularity.size, spec.qmax)
    return QuantParams(spec=spec, scale=scale, zero_point=np.zeros(scale.shape, spec.numpy_dtype))
