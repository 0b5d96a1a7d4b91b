"""Take away channels of zeros in front of a float Conv, and the zero columns of its weight. Exact: they add zero.

`AlignChannels` widens a Conv for the integer kernels before anything is decided; one that stays float would carry
what only costs it: 1 channel padded to 4 makes four times the weight and four times the products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, value_names

__all__ = ["TrimChannels"]


@dataclass(frozen=True, kw_only=True)
class TrimChannels(Pass):
    """Let a float Conv read what a Pad of channels read."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph)
        modified = False
        for node in tuple(model.graph):
            if is_op(node, "Conv") and node.attributes.get_int("group", 1) == 1:
                modified |= _trim(model.graph, node, taken)
        return ir.passes.PassResult(model, modified=modified)


def _trim(graph: ir.Graph, conv: ir.Node, taken: set[str]) -> bool:
    wide, weight = conv.inputs[0], conv.inputs[1]
    pad = None if wide is None else wide.producer()
    w = constant_array(weight)
    if pad is None or weight is None or w is None or w.ndim < 3:
        return False
    added = _channels_added(pad, w.ndim)
    if not 0 < added < w.shape[1] or np.any(w[:, -added:]):
        return False
    narrow = add_initializer(graph, fresh_name(f"{weight.name}_trimmed", taken), w[:, :-added].copy())
    conv.replace_input_with(0, pad.inputs[0])
    conv.replace_input_with(1, narrow)
    if not wide.uses() and not wide.is_graph_output():  # type: ignore[union-attr]  # its producer was asked for
        graph.remove(pad, safe=True)
    return True


def _channels_added(node: ir.Node, rank: int) -> int:
    """How many channels of zeros a Pad puts behind those there are, and nothing else; 0 for any other node."""
    if not is_op(node, "Pad") or node.attributes.get_string("mode", "constant") != "constant":
        return 0
    amounts = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    if amounts is None or amounts.size != 2 * rank or any(value is not None for value in node.inputs[3:]):
        return 0
    filled = node.inputs[2] if len(node.inputs) > 2 else None
    zero = None if filled is None else constant_array(filled)
    if filled is not None and (zero is None or np.any(zero)):
        return 0
    behind = int(amounts[rank + 1])
    return behind if behind > 0 and np.count_nonzero(amounts) == 1 else 0
