"""Say in the model who made it: opset imports, IR version and edgec's own metadata, the user's kept."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass

__all__ = ["Stamp"]


@dataclass(frozen=True, kw_only=True)
class Stamp(Pass):
    """Set the IR version within what the runtime loads and write `edgec.target`, `edgec.scheme`.

    Attributes:
        target: Name of the target.
        scheme: Name of the scheme.
        max_ir_version: Newest IR version the runtime loads.
    """

    target: str
    scheme: str
    max_ir_version: int

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        wanted = {"edgec.target": self.target, "edgec.scheme": self.scheme}
        before = (dict(model.metadata_props), model.ir_version, model.graph.opset_imports.get(""))
        model.metadata_props.update(wanted)
        model.ir_version = min(model.ir_version, self.max_ir_version)
        if "ai.onnx" in model.graph.opset_imports:
            model.graph.opset_imports.setdefault("", model.graph.opset_imports.pop("ai.onnx"))
        after = (dict(model.metadata_props), model.ir_version, model.graph.opset_imports.get(""))
        return ir.passes.PassResult(model, modified=before != after)
