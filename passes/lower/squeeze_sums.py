"""ReduceMean(x) over everything, no axes kept -> Squeeze(ReduceMean(x), axes kept). Exact: both are the same sum.

ONNX Runtime's OpenVINO provider takes no ReduceMean, ReduceSum or norm whose result has no axes (1.24.1, 2026-11;
ReduceMax, ReduceMin and ReduceProd it takes). It leaves them to the CPU provider, which cuts the graph there; weights
are then expanded in another part than the layers that read them, and every layer runs in float (LPRNet: 0% of the MACs
in integers, and 91% with this pass), or the graph is refused as not acyclic.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, is_op, value_names
from ..scope import made_from

__all__ = ["SqueezeSums"]

_SUMS = (
    "ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SqueezeSums(Pass):
    """Keep the axes of a sum over everything, and drop them behind it; subgraphs are left as they are."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        found = [node for node in model.graph if is_op(node, *_SUMS) and _is_of_everything(node)]
        for node in found:
            _rewrite(model.graph, node, taken)
        return ir.passes.PassResult(model, modified=bool(found))


def _is_of_everything(node: ir.Node) -> bool:
    """Whether the result has no axes."""
    if node.attributes.get_int("keepdims", 1):
        return False
    shape = node.outputs[0].shape
    if shape is not None:
        return len(shape) == 0
    axes = node.attributes.get_ints("axes", None) is not None or any(value is not None for value in node.inputs[1:])
    return not axes and not node.attributes.get_int("noop_with_empty_axes", 0)


def _rewrite(graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
    x, old = node.inputs[0], node.outputs[0]
    attributes = [attribute for name, attribute in node.attributes.items() if name != "keepdims"]
    kept = ir.Node(node.domain, node.op_type, node.inputs, [*attributes, ir.AttrInt64("keepdims", 1)], name=node.name)
    made_from(kept, node)
    result = kept.outputs[0]
    result.name = fresh_name(f"{old.name}_kept", taken)
    result.type = old.type
    if x is not None and x.shape is not None:
        result.shape = ir.Shape([1] * len(x.shape))
    squeeze = ir.node("Squeeze", [result], name=fresh_name(f"{node.name or old.name}_squeeze", taken))
    squeeze.outputs[0].type, squeeze.outputs[0].shape = old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [kept, squeeze], [old], [squeeze.outputs[0]])
