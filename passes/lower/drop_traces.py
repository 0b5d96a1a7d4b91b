"""Drop what exporters leave on nodes for people: PyTorch stack traces, doc strings.

They cost up to half of a small model's file and nothing at run time reads them. Metadata under any other
key, and the model's own, is the user's and stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass

__all__ = ["DropTraces"]

_PREFIXES = ("pkg.torch.", "pkg.onnxscript.", "namespace")


@dataclass(frozen=True, kw_only=True)
class DropTraces(Pass):
    """Remove exporters' metadata and doc strings from nodes and values."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in ir.traversal.RecursiveGraphIterator(model.graph):
            carriers: tuple[ir.Node | ir.Value, ...] = (node, *node.outputs)
            for carrier in carriers:
                traces = [key for key in carrier.metadata_props if key.startswith(_PREFIXES)]
                for key in traces:
                    del carrier.metadata_props[key]
                modified |= bool(traces) or bool(carrier.doc_string)
                carrier.doc_string = None
        return ir.passes.PassResult(model, modified=modified)
