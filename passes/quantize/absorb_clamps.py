"""Q(Clip(x, lo, hi)) -> Q(x) where saturation does the same.

Exact when lo quantizes to qmin and hi to qmax: every x beyond a bound is stored as the bound's code either way.
Relu is Clip(0, inf): exact when the zero point is qmin. ONNX Runtime does the same at load
(`ReluQuantFusion`, `ClipQuantFusion`); done here, the graph that ships is the one that runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import rewire, skip
from ..spec import QuantParams
from .clamps import bounds_of
from .decision import decided_nodes, params_of

__all__ = ["AbsorbClamps"]


@dataclass(frozen=True, kw_only=True)
class AbsorbClamps(Pass):
    """Remove a Relu or Clip whose only reader is a QuantizeLinear that saturates where it clamps."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node, decision in tuple(decided_nodes(model.graph)):
            clamp = decision.clamp
            if clamp is None or clamp.graph is None:
                continue
            if self._try_absorb(node, clamp):
                modified = True
        return ir.passes.PassResult(model, modified=modified)

    def _try_absorb(self, node: ir.Node, clamp: ir.Node) -> bool:
        output = clamp.outputs[0]
        uses = tuple(output.uses())
        params = params_of(output)
        if params is None or output.is_graph_output() or not uses:
            return False
        if any(reader.op_type != "QuantizeLinear" or index != 0 for reader, index in uses):
            skip(clamp, "is read by others than its QuantizeLinear")
            return False
        low, high = bounds_of(clamp)
        if not (_saturates(low, params, params.spec.qmin) and _saturates(high, params, params.spec.qmax)):
            skip(clamp, "clamps inside the quantized range")
            return False
        rewire(uses, node.outputs[0])
        assert clamp.graph is not None
        clamp.graph.remove(clamp, safe=True)
        return True


def _saturates(bound: float, params: QuantParams, code: int) -> bool:
    """Whether a bound is stored as the extreme code (infinite bounds are)."""
    if not np.isfinite(bound):
        return True
    stored = np.rint(np.float32(bound) / params.scale) + params.zero_point.astype(np.float32)
    return bool(stored <= code if code == params.spec.qmin else stored >= code)
