"""ReduceMean(x, axes of the image) -> GlobalAveragePool(x).

Exporters lower AdaptiveAvgPool2d(1) to ReduceMean, which has no integer kernel in ONNX Runtime's CPU
provider; GlobalAveragePool has (1.31.1). Exact up to the order of the sum. With keepdims=0 a Flatten follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, fresh_name, is_op, value_names
from ..scope import made_from

__all__ = ["ReduceMeanToPool"]


@dataclass(frozen=True, kw_only=True)
class ReduceMeanToPool(Pass):
    """Make a GlobalAveragePool of a ReduceMean over all axes but the first two."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken = value_names(model.graph) | {node.name for node in model.graph if node.name}
        done = [n for n in model.graph if is_op(n, "ReduceMean") and self._try_rewrite(model.graph, n, taken)]
        return ir.passes.PassResult(model, modified=bool(done))

    def _try_rewrite(self, graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
        x = node.inputs[0]
        if x is None or x.shape is None or x.dtype != ir.DataType.FLOAT or len(x.shape) not in (3, 4, 5):
            return False
        rank = len(x.shape)
        axes = node.attributes.get_ints("axes", None)
        if axes is None and len(node.inputs) > 1:
            array = constant_array(node.inputs[1])
            axes = None if array is None else [int(axis) for axis in array]
        if axes is None or sorted(axis % rank for axis in axes) != list(range(2, rank)):
            return False
        # Only a pooling between integer operators pays: Conv before it says that this is an image.
        producer = x.producer()
        if producer is None or producer.op_type not in ("Conv", "Relu", "Clip", "Add", "Concat", "Mul", "MaxPool"):
            return False
        pool = ir.node("GlobalAveragePool", [x], name=node.name)
        made_from(pool, node)
        old, result, new = node.outputs[0], pool.outputs[0], [pool]
        result.type = x.type
        if not node.attributes.get_int("keepdims", 1):
            result.name = fresh_name(f"{old.name}_pooled", taken)
            result.shape = ir.Shape([*x.shape[:2], *[1] * (rank - 2)])
            flatten = ir.node("Flatten", [result], {"axis": 1}, name=fresh_name(f"{node.name}_flatten", taken))
            new.append(flatten)
            result = flatten.outputs[0]
        result.type, result.shape = old.type, old.shape
        ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], [result])
        return True
