"""Which inputs of a node are weights, and along which axes of them products are summed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..edit import is_op
from .angles import holds_angles

__all__ = ["Site", "known_rows", "weight_sites"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One weight as one node reads it.

    Attributes:
        value: The weight.
        summed: Axes whose elements end in the same output: they can share a scale. For an embedding, those of a row.
    """

    value: ir.Value
    summed: tuple[int, ...]


def weight_sites(node: ir.Node) -> list[Site]:
    """The weights of one node; empty for operators that have none, and where a rank is unknown.

    ===================== ================= ======
    operator              weight            summed
    ===================== ================= ======
    Conv                  (O, I, k…)        I, k…
    ConvTranspose         (I, O, k…)        I, k…
    Gemm, transB          (K, N), (N, K)    K
    MatMul                (…, K, N)         K
    LSTM, GRU, RNN: W, R  (D, G, I)         I
    Gather along axis a   any               not a
    ===================== ================= ======

    Tables of rotary positions are none (`angles.py`).

    Behind nodes that only move elements (gates put into another order) lie the constants they are cut from: of
    those, each row is taken for one output.
    """
    index, summed = _WEIGHTS.get(node.op_type, ((), _rows))
    if not is_op(node, node.op_type):
        return []
    found = []
    for value in (node.inputs[k] for k in index if k < len(node.inputs)):
        if value is None:
            continue
        if value.producer() is not None:
            found += [Site(value=root, summed=_rows(node, len(root.shape or ()))) for root in _roots(value)]
        elif value.shape is not None and len(value.shape) >= 2 and not holds_angles(value):
            found.append(Site(value=value, summed=summed(node, len(value.shape))))
    return found


def known_rows(x: ir.Value | None) -> int:
    """Rows of a product's first operand; free dimensions count as 1."""
    dims = [] if x is None or x.shape is None else list(x.shape)[:-1]
    return int(np.prod([dim for dim in dims if isinstance(dim, int)]))


def _rows(node: ir.Node, rank: int) -> tuple[int, ...]:
    del node
    return tuple(range(1, rank))


def _transposed(node: ir.Node, rank: int) -> tuple[int, ...]:
    del node
    return (0, *range(2, rank))


def _gemm(node: ir.Node, rank: int) -> tuple[int, ...]:
    del rank
    return (1,) if node.attributes.get_int("transB", 0) else (0,)


def _matmul(node: ir.Node, rank: int) -> tuple[int, ...]:
    del node
    return (rank - 2,)


def _recurrent(node: ir.Node, rank: int) -> tuple[int, ...]:
    del node
    return (rank - 1,)


def _gather(node: ir.Node, rank: int) -> tuple[int, ...]:
    axis = node.attributes.get_int("axis", 0) % rank
    return tuple(k for k in range(rank) if k != axis)


# Operator → its weights' inputs, and the axes summed over.
_WEIGHTS: dict[str, tuple[tuple[int, ...], Callable[[ir.Node, int], tuple[int, ...]]]] = {
    "Conv": ((1,), _rows),
    "ConvTranspose": ((1,), _transposed),
    "Gemm": ((1,), _gemm),
    "MatMul": ((1,), _matmul),
    "LSTM": ((1, 2), _recurrent),
    "GRU": ((1, 2), _recurrent),
    "RNN": ((1, 2), _recurrent),
    "Gather": ((0,), _gather),
}
# How many leading inputs of an operator are moved.
_MOVERS = {"Slice": 1, "Unsqueeze": 1, "Squeeze": 1, "Transpose": 1, "Reshape": 1, "Split": 1, "Concat": None}


def _roots(value: ir.Value) -> list[ir.Value]:
    """Initializers of two axes or more that reach `value` through nodes that only move elements."""
    found: list[ir.Value] = []
    pending, seen = [value], {value}
    while pending:
        producer = pending.pop().producer()
        if producer is None or not is_op(producer, *_MOVERS):
            continue
        for moved in producer.inputs[: _MOVERS[producer.op_type]]:
            if moved is None or moved in seen:
                continue
            seen.add(moved)
            if moved.is_initializer() and moved.shape is not None and len(moved.shape) >= 2:
                found.append(moved)
            pending.append(moved)
    return found
