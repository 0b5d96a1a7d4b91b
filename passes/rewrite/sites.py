"""Where SmoothQuant and AWQ apply: layers that read one activation, and how 1 / s gets into it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from ..edit import is_op, sole_consumer
from .channels import Channels, Scaled

__all__ = ["entry_of", "foldable_sites", "mark_done", "unfoldable_sites"]

# Written in float by every kernel set that has integer matrix products.
_FLOAT = ("Gelu", "Mul", "Div", "Tanh", "HardSwish", "Swish", "Mish", "Elu", "Softplus")


def foldable_sites(channels: Channels, done: str) -> Iterator[list[Scaled]]:
    """Layers that read the same channels, all free to be scaled and not marked `done`."""
    free = _free(channels)
    sites: list[tuple[set[int], list[Scaled]]] = []
    for each in channels.layers:
        x = each.layer.node.inputs[0]
        if x is None or x.shape is None or x.is_graph_input() or not free[each.columns].all():
            continue
        labels, readers = set(each.columns.reshape(-1).tolist()), [each]
        for site in [site for site in sites if site[0] & labels]:
            sites.remove(site)
            labels |= site[0]
            readers = [*site[1], *readers]
        sites.append((labels, readers))
    for _, readers in sites:
        if not any(_mark(done) in each.layer.node.meta for each in readers):
            yield readers


def unfoldable_sites(channels: Channels, done: str) -> Iterator[list[Scaled]]:
    """Matrix products that read one value whose channels are not free, written by a node that stays float."""
    free = _free(channels)
    by_value: dict[ir.Value, list[Scaled]] = {}
    for each in channels.layers:
        x = each.layer.node.inputs[0]
        if x is None or x.shape is None or free[each.columns].any() or not is_op(each.layer.node, "Gemm", "MatMul"):
            continue
        value = entry_of(each)[0]
        if is_op(value.producer(), *_FLOAT) and _mark(done) not in each.layer.node.meta:
            by_value.setdefault(value, []).append(each)
    yield from by_value.values()


def entry_of(reader: Scaled) -> tuple[ir.Value, tuple[ir.Node, int]]:
    """Where a product is put: in front of the Reshape before a layer, which else would ask for integers to move."""
    node = reader.layer.node
    value = node.inputs[0]
    assert value is not None
    while True:
        mover = value.producer()
        x = mover.inputs[0] if is_op(mover, "Reshape") and mover is not None else None
        if mover is None or x is None or sole_consumer(value) is not node or x.shape is None or value.shape is None:
            return value, (node, 0)
        if len(x.shape) == 0 or x.shape[-1] != reader.layer.inputs or value.shape[-1] != reader.layer.inputs:
            return value, (node, 0)
        node, value = mover, x


def _free(channels: Channels) -> np.ndarray:
    """Which labels may be scaled; bool, shape (count,).

    A value with foreign readers can be restored for them by one product. Behind a normalization, which computes in
    float, that is cheap; between integer kernels it is not worth it.
    """
    free = np.ones(channels.count, bool)
    free[0] = False
    linear = np.zeros(channels.count, bool)
    for each in channels.layers:
        linear[each.rows] = True
    for value in channels.foreign:
        labels = channels.values[value]
        free[labels[linear[labels]]] = False
    return free


def mark_done(reader: Scaled, done: str) -> None:
    """Remember what was done to a layer: what was observed of its input is stale."""
    reader.layer.node.meta[_mark(done)] = True


def _mark(done: str) -> str:
    return f"edgec.{done}"
