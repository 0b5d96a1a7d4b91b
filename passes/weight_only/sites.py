"""Which inputs of a node are weights, and along which axes of them products are summed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from ..edit import is_op

__all__ = ["RECURRENT", "Site", "weight_sites"]

RECURRENT = ("LSTM", "GRU", "RNN")


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
    """
    if is_op(node, "Conv", "ConvTranspose"):
        kept = 0 if node.op_type == "Conv" else 1
        return _sites(node, (1,), lambda rank: [k for k in range(rank) if k != kept])
    if is_op(node, "Gemm"):
        return _sites(node, (1,), lambda rank: [1 if node.attributes.get_int("transB", 0) else 0])
    if is_op(node, "MatMul"):
        return _sites(node, (1,), lambda rank: [rank - 2])
    if is_op(node, *RECURRENT):
        return _sites(node, (1, 2), lambda rank: [rank - 1])
    if is_op(node, "Gather"):
        axis = node.attributes.get_int("axis", 0)
        return _sites(node, (0,), lambda rank: [k for k in range(rank) if k != axis % rank])
    return []


def _sites(node: ir.Node, inputs: tuple[int, ...], summed: Callable[[int], list[int]]) -> list[Site]:
    found = []
    for index in inputs:
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is not None and value.shape is not None and len(value.shape) >= 2:
            found.append(Site(value=value, summed=tuple(summed(len(value.shape)))))
    return found
