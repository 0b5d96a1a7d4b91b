"""y = Transpose(x) -> y = Reshape(Transpose(x), [0, 0, ...]), the shape it has, before an integer convolution. Exact.

XNNPACK's convolutions are channels-last: ONNX Runtime puts a Transpose before each and moves it towards the input,
through whatever lets it pass, until it meets another one and both become one. Where that one is no identity, the
DequantizeLinear of the convolution is left to XNNPACK, which has no kernel for it: the session is not created (1.21,
2026-11). A Reshape lets no Transpose pass. Left alone is what becomes an identity: channels-last to channels-first,
of the rank of an image.

Scope: the main graph; nothing is quantized in bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, insert_after, is_op, rewire, value_names

__all__ = ["StopTransposes"]

_TO_IMAGE = (0, 3, 1, 2)
_KERNELS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")
_WALLS = (*_KERNELS, "Reshape", "Flatten", "MatMul", "Gemm", "Einsum", "LSTM", "GRU", "RNN")


@dataclass(frozen=True, kw_only=True)
class StopTransposes(Pass):
    """Put a Reshape behind every Transpose that a channels-last convolution's own could meet."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        taken = value_names(graph) | {node.name for node in graph if node.name}
        found = [node for node in graph if is_op(node, "Transpose") and _meets(node)]
        for node in found:
            _stop(graph, node, taken)
        return ir.passes.PassResult(model, modified=bool(found))


def _meets(node: ir.Node) -> bool:
    """Whether the Transpose of an integer convolution can reach this one without ending in an identity with it."""
    order = tuple(node.attributes.get_ints("perm", ()))
    todo = [(node.outputs[0], order == _TO_IMAGE)]
    seen = set(todo)
    while todo:
        value, cancels = todo.pop()
        for reader, _ in value.uses():
            if is_op(reader, *_KERNELS) and not cancels and is_op(value.producer(), "DequantizeLinear"):
                return True
            if is_op(reader, *_WALLS):
                continue
            still = cancels and not is_op(reader, "Squeeze", "Unsqueeze", "Transpose")
            for output in reader.outputs:
                if (output, still) not in seen:
                    seen.add((output, still))
                    todo.append((output, still))
    return False


def _stop(graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
    old = node.outputs[0]
    uses = tuple(old.uses())
    rank = len(node.attributes.get_ints("perm", ())) or len(old.shape or ())
    name = fresh_name(f"{old.name}_stop", taken)
    shape = add_initializer(graph, fresh_name(f"{name}_shape", taken), np.zeros(rank, np.int64))
    stop = ir.node("Reshape", [old, shape], name=name)
    new = stop.outputs[0]
    new.name, new.type, new.shape = fresh_name(f"{old.name}_stopped", taken), old.type, old.shape
    insert_after(graph, old, (stop,))
    rewire(uses, new)
