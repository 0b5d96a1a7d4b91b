"""PRelu(x, a) -> LeakyRelu<alpha = a>(x), where all slopes are equal. Exact.

ONNX Runtime's CPU provider has LeakyRelu in vector instructions, fuses it into a float Conv and has an integer kernel
for it; PRelu has none of the three and branches on every element (1.31.1; 32 channels, 64 x 64: 612 us against 30 us,
Zen 4, one thread, 2026-11-21). `torch.nn.PReLU()` learns one slope for all channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, is_op
from ..scope import made_from

__all__ = ["PReluToLeakyRelu"]


@dataclass(frozen=True, kw_only=True)
class PReluToLeakyRelu(Pass):
    """Make a LeakyRelu of every PRelu with one slope, in the main graph."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        done = [node for node in model.graph if is_op(node, "PRelu") and _try_rewrite(model.graph, node)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_rewrite(graph: ir.Graph, node: ir.Node) -> bool:
    slopes = constant_array(node.inputs[1])
    if slopes is None or slopes.dtype != np.float32 or not slopes.size or np.any(slopes != slopes.flat[0]):
        return False
    leaky = ir.node("LeakyRelu", [node.inputs[0]], {"alpha": float(slopes.flat[0])}, name=node.name)
    made_from(leaky, node)
    old, new = node.outputs[0], leaky.outputs[0]
    new.type, new.shape = old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [leaky], [old], [new])
    return True
