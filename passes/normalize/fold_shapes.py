"""f(Shape(x)) -> constant, where fixed inputs make it one: infer shapes and fold in turns until neither finds more.

What exporters compute from Shape, for a Reshape to read, is constant once the inputs have fixed sizes. One inference
ends at the first such Reshape, since its operand is not yet a constant: a six-layer encoder of 391 nodes keeps 211
values of unknown size, and has 223 nodes and all sizes known after two turns. ONNX Runtime does this when it opens a
model, before any provider is asked; a check without the provider, and a pass that wants a size, need it here. Exact.

Scope: the main graph; values whose sizes are all known then. Inputs and outputs keep what they declare.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from ..base import Pass
from .fold_constants import FoldConstants
from .remove_unused import RemoveUnused

__all__ = ["FoldShapes"]


@dataclass(frozen=True, kw_only=True)
class FoldShapes(Pass):
    """Learn the sizes of values, and fold what is computed of sizes."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        while True:
            learned = _learn(model)
            folded = FoldConstants()(model).modified
            modified = modified or learned or folded
            if not folded:
                break
            RemoveUnused()(model)
        return ir.passes.PassResult(model, modified=modified)


def _learn(model: ir.Model) -> bool:
    """Take over the sizes that inference finds of values whose sizes are not all known."""
    unknown = [
        value
        for node in model.graph
        for value in node.outputs
        if value.name and not value.is_graph_output() and not _is_static(value)
    ]
    if not unknown:
        return False
    inferred = _inferred(model)
    learned = False
    for value in unknown:
        found = inferred.get(str(value.name))
        if found is not None and _is_static(found):
            value.shape = found.shape
            value.type = found.type if value.type is None else value.type
            learned = True
    return learned


def _inferred(model: ir.Model) -> dict[str, ir.Value]:
    """The values of a copy with inferred shapes, by name; what fails to infer there stays unknown."""
    copy = model.clone()
    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(copy)
    return {str(value.name): value for node in copy.graph for value in node.outputs}


def _is_static(value: ir.Value) -> bool:
    return value.shape is not None and all(isinstance(dim, int) for dim in value.shape)
