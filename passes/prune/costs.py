"""What products with constants cost: multiply-accumulates or weights, from shapes alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from ..rewrite.linear import Linear, linear_of

__all__ = ["cost_of_nodes", "positions"]


def cost_of_nodes(nodes: Iterable[ir.Node], *, macs: bool) -> int:
    """Of all products among nodes: multiply-accumulates, or weights."""
    total = 0
    for node in nodes:
        layer = linear_of(node)
        if isinstance(layer, Linear):
            total += int(layer.weight.size) * (positions(node) if macs else 1)
    return total


def positions(node: ir.Node) -> int:
    """How often each weight of a product is multiplied with; sizes that nobody knows count as 1."""
    value = node.inputs[0] if node.op_type == "ConvTranspose" else node.outputs[0]
    if value is None or value.shape is None:
        return 1
    dims = tuple(value.shape)[2:] if node.op_type in ("Conv", "ConvTranspose") else tuple(value.shape)[:-1]
    return int(np.prod([dim for dim in dims if isinstance(dim, int)], dtype=np.int64))
