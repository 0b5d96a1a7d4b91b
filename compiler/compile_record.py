"""What a compile knows and its payload does not say: why nodes stayed float, what each stage and pass took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir

from ..bundle import Bundle
from ..passes.edit import why_skipped
from .pipeline import PassReport

__all__ = ["compile_record"]


def compile_record(
    bundle: Bundle, model: ir.Model, *, reason: str, passes: Sequence[PassReport], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What `proof/compile.json` holds.

    Args:
        bundle: What it is bound to.
        model: What ships, with the reasons its passes left on nodes.
        reason: Why the scheme was chosen.
        passes: One report per pass.
        seconds: By stage.
    """
    nodes = [(node, why_skipped(node)) for node in ir.traversal.RecursiveGraphIterator(model.graph)]
    return {
        "schema_version": "1",
        "bundle": bundle.digest,
        "reason": reason,
        "seconds": {name: round(taken, 4) for name, taken in seconds.items()},
        "passes": [
            {"name": each.name, "modified": each.modified, "seconds": round(each.seconds, 4)} for each in passes
        ],
        # With what they read and write: ONNX Runtime names a kernel it fused after the last node or its result.
        "float_nodes": [
            {
                "name": node.name or node.op_type,
                "op": node.op_type,
                "inputs": [str(value.name) for value in node.inputs if value is not None],
                "outputs": [str(value.name) for value in node.outputs],
                "reason": why,
            }
            for node, why in nodes
            if why is not None
        ],
    }
