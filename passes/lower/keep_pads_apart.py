"""Keep a Pad of its own in front of a float Conv whose kernel ONNX Runtime runs slower with pads. Exact.

ONNX Runtime's PadFusion puts the amounts of a constant Pad into the Conv behind it, whose blocked (NCHWc) kernel is
slower with pads of its own. Microseconds with one thread, Zen 4, 1.31.1, 2026-11-21 (`tests/benchmarks/pads.py`):

============================== ===== =====
convolution                    fused apart
============================== ===== =====
128 -> 16, 64 x 1 at 128 x 1     963   215
128 -> 16, 8 x 1 at 128 x 1       83    33
64 -> 64, 3 x 1 at 200 x 1        44    30
32 -> 32, 15 x 15 at 28 x 28    2822  1832
32 -> 32, 3 x 3 at 56 x 56       276   300
============================== ===== =====

An optional input that is named but empty is what PadFusion does not take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, is_op, sole_consumer

__all__ = ["KeepPadsApart"]


@dataclass(frozen=True, kw_only=True)
class KeepPadsApart(Pass):
    """Spell out the empty value of a Pad where fusing it would cost.

    Attributes:
        taps: Kernels of at least so many pixels are slower with pads, whatever their shape.
    """

    taps: int

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        done = [node for node in model.graph if is_op(node, "Pad") and self._try_spell(node)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_spell(self, pad: ir.Node) -> bool:
        conv = sole_consumer(pad.outputs[0])
        if conv is None or not is_op(conv, "Conv") or conv.inputs[0] is not pad.outputs[0] or len(pad.inputs) != 2:
            return False
        kernel, amounts = _kernel_of(conv), constant_array(pad.inputs[1])
        if len(kernel) != 2 or amounts is None or amounts.size != 8 or np.any(amounts.reshape(2, 4)[:, :2]):
            return False
        if not (kernel[1] == 1 < kernel[0] or kernel[0] * kernel[1] >= self.taps):
            return False
        pad.resize_inputs(3)
        return True


def _kernel_of(conv: ir.Node) -> tuple[int, ...]:
    """Its extents; () where they are not known."""
    said = conv.attributes.get_ints("kernel_shape", ())
    if said:
        return tuple(said)
    weight = conv.inputs[1]
    dims = [] if weight is None or weight.shape is None else list(weight.shape)[2:]
    return tuple(dim for dim in dims if isinstance(dim, int)) if len(dims) == 2 else ()
