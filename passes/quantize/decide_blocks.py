"""Decide which 4-bit weights have a scale per block of rows instead of one per column.

The MatMuls of two axes of weights, K x N, that `DecideQuantization` gave int4 with a scale per column, where
K is a multiple of the block, and N is not 1: QNN leaves one column to the CPU (onnxruntime-qnn 2.7.0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from ..base import Pass
from ..spec import PerAxis, PerBlock
from .decision import Decision, decided_nodes, set_decision

__all__ = ["DecideBlocks", "fits_blocks"]


@dataclass(frozen=True, kw_only=True)
class DecideBlocks(Pass):
    """Rewrite decisions on MatMuls; no edit.

    Attributes:
        size: Rows that share a scale.
    """

    size: int = 32

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [(node, made) for node, decision in decided_nodes(model.graph) if (made := self._of(node, decision))]
        for node, decision in found:
            set_decision(node, decision)
        return ir.passes.PassResult(model, modified=bool(found))

    def _of(self, node: ir.Node, decision: Decision) -> Decision | None:
        if decision.weight is None or node.op_type != "MatMul":
            return None
        index, spec = decision.weight
        if spec.dtype != "int4" or not isinstance(spec.granularity, PerAxis):
            return None
        if not fits_blocks(node.inputs[index], 0, self.size):
            return None
        return replace(decision, weight=(index, replace(spec, granularity=PerBlock(axis=0, size=self.size))))


def fits_blocks(weight: ir.Value | None, rows: int, size: int) -> bool:
    """Whether a constant matrix divides into blocks of `size` along the axis `rows`, and has more than one column."""
    if weight is None or weight.shape is None or len(weight.shape) != 2:
        return False
    inputs, columns = weight.shape[rows], weight.shape[1 - rows]
    if not isinstance(inputs, int) or not isinstance(columns, int):
        return False
    return inputs > 0 and inputs % size == 0 and columns > 1
