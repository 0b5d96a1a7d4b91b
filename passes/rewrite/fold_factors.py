"""Put 1 / s into what writes channels and s into the layers that read them; exact in real numbers.

Whoever else reads the channels, as the residual stream of a post-norm encoder does, reads them multiplied by s again.
Where nothing can take 1 / s, one product with it is put in front of the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..edit import add_initializer, fresh_name, insert_after, rewire, value_names
from .channels import Channels, Scaled
from .rescale import replace_constant, rescale
from .sites import entry_of

__all__ = ["fold_factors", "insert_factors"]


def fold_factors(graph: ir.Graph, channels: Channels, s: np.ndarray, suffix: str) -> bool:
    """Divide channels by s where they are written, multiply them where they are read.

    Args:
        graph: The main graph; it is edited.
        channels: What was traced in it.
        s: Factor of every label, float64, positive, shape (channels.count,); that of label 0 is 1.
        suffix: What new constants are called after.

    Returns:
        Whether anything changed.
    """
    taken = value_names(graph) | {node.name for node in graph if node.name}
    modified = False
    for value, uses in channels.foreign.items():
        factors = s[channels.values[value]]
        if np.all(factors == 1.0):
            continue
        name = fresh_name(f"{value.name}_restored", taken)
        rewire(uses, _product(graph, value, factors, name, taken))
        modified = True
    return rescale(graph, channels, s, suffix) or modified


def insert_factors(graph: ir.Graph, readers: Sequence[Scaled], s: np.ndarray, suffix: str) -> bool:
    """Put Mul(1 / s) between x and the products that read it, whose weights are multiplied by s.

    Args:
        graph: The main graph; it is edited.
        readers: Matrix products that read one value (see `unfoldable_sites`).
        s: Factor of every column of x, float64, positive, shape (K,).
        suffix: What new constants and values are called after.

    Returns:
        Whether anything changed.
    """
    if np.all(s == 1.0):
        return False
    taken = value_names(graph) | {node.name for node in graph if node.name}
    x = entry_of(readers[0])[0]
    uses = [entry_of(each)[1] for each in readers]
    rewire(uses, _product(graph, x, 1.0 / s, fresh_name(f"{x.name}_{suffix}", taken), taken))
    for each in readers:
        weight = each.layer.weight * s[None, None, :, None]
        replace_constant(graph, each.layer.node, 1, each.layer.stored(weight), suffix, taken)
    return True


def _product(graph: ir.Graph, value: ir.Value, by: np.ndarray, name: str, taken: set[str]) -> ir.Value:
    """Mul(value, by), right behind what writes the value."""
    scale = add_initializer(graph, fresh_name(f"{name}_by", taken), by.astype(np.float32))
    node = ir.node("Mul", [value, scale], name=name)
    product = node.outputs[0]
    product.name, product.type, product.shape = name, value.type, value.shape
    insert_after(graph, value, (node,))
    return product
