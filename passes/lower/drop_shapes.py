"""Forget the types and shapes of inner values that whoever loads the model infers.

They are up to a quarter of a small model's file. What is forgotten is inferred again here, by ONNX's own inference,
from what stays; anything that does not come back the same stays written. Inputs, outputs and bodies keep theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from ..base import Pass

__all__ = ["DropShapes"]

_INVENTED = "unk__"


@dataclass(frozen=True, kw_only=True)
class DropShapes(Pass):
    """Drop the value infos of the main graph that inference gives back."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        bare = model.clone()
        for value in _inner(bare.graph):
            _forget(value)
        # ONNX Runtime carries shapes computed in the graph less far than ONNX does.
        ShapeInferencePass(data_prop=False)(bare)
        pairs = zip(_inner(model.graph), _inner(bare.graph), strict=True)
        # Judged before any is forgotten: what a value loses must not decide about the next.
        known = [value for value, again in pairs if value.type == again.type and _dims(value) == _dims(again)]
        stored = model.graph.initializers.values()
        known += [value for value in stored if not value.is_graph_input() and not value.is_graph_output()]
        gone = [value for value in known if value.type is not None or value.shape is not None]
        for value in gone:
            _forget(value)
        return ir.passes.PassResult(model, modified=bool(gone))


def _inner(graph: ir.Graph) -> list[ir.Value]:
    return [value for node in graph for value in node.outputs if value.name and not value.is_graph_output()]


def _dims(value: ir.Value) -> list[int | str | None] | None:
    """Sizes and names of dimensions, without the names that inference invents for those it cannot tell."""
    if value.shape is None:
        return None
    dims = [dim if isinstance(dim, int) else dim.value for dim in value.shape]
    return [None if isinstance(dim, str) and dim.startswith(_INVENTED) else dim for dim in dims]


def _forget(value: ir.Value) -> None:
    value.type, value.shape = None, None
