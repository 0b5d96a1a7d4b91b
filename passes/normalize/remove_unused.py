"""Remove nodes and initializers that reach no output, and the empty ends of input and output lists."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from ..base import Pass

__all__ = ["RemoveUnused"]


@dataclass(frozen=True, kw_only=True)
class RemoveUnused(Pass):
    """Dead code elimination (onnx_ir's pass under our protocol)."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        before = _arities(model)
        result = RemoveUnusedNodesPass()(model)
        # onnx_ir counts removed nodes only; optional inputs and outputs it trims are changes too.
        return ir.passes.PassResult(model, modified=result.modified or _arities(model) != before)


def _arities(model: ir.Model) -> list[tuple[int, tuple[str | None, ...], int]]:
    return [
        (len(node.inputs), tuple(value.name for value in node.outputs), len(node.attributes))
        for node in ir.traversal.RecursiveGraphIterator(model.graph)
    ]
