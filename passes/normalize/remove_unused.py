"""Remove nodes and initializers that reach no output."""

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
        return RemoveUnusedNodesPass()(model)
