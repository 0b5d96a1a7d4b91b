"""What products with constants cost, multiply-accumulates or weights, and how often their taps meet a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ..observe.statistics import Window
from ..rewrite.linear import Linear, linear_of

__all__ = ["coverage", "cost_of_nodes", "positions"]


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


def coverage(window: Window, sizes: Sequence[Any]) -> np.ndarray:
    """The share of outputs for which each tap of a Conv lies inside the image, (taps,); 1 along sizes nobody knows."""
    rank = len(window.kernel)
    found = np.ones(1)
    for axis, size in enumerate(sizes):
        taps = np.ones(window.kernel[axis])
        if isinstance(size, int):
            before, behind = window.pads[axis], window.pads[axis + rank]
            reach = (window.kernel[axis] - 1) * window.dilations[axis]
            starts = np.arange(0, size + before + behind - reach, window.strides[axis])
            at = starts[:, None] - before + np.arange(window.kernel[axis]) * window.dilations[axis]
            taps = ((at >= 0) & (at < size)).mean(axis=0)
        found = np.multiply.outer(found, taps)
    return found.reshape(-1)
