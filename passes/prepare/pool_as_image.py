"""Pool(x of (N, C, L)) -> Squeeze(Pool(Unsqueeze(x))), the length an image of one row. Exact.

CoreML's provider has convolutions of one and two dimensions, but pools of two only (ONNX Runtime 1.31.1): a net over
audio would be cut at each of its pools.

Scope: MaxPool, AveragePool, GlobalMaxPool and GlobalAveragePool of the main graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, opset_of, value_names
from ..scope import made_from

__all__ = ["PoolAsImage"]

_POOLS = ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool")
# What an attribute says of the row: one value, or one at either end.
_OF_ROW = {"kernel_shape": (1,), "strides": (1,), "dilations": (1,), "pads": (0,)}


@dataclass(frozen=True, kw_only=True)
class PoolAsImage(Pass):
    """Give what is pooled along one axis a second one of size 1."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        if opset_of(model) < 13:  # Squeeze and Unsqueeze take their axes as inputs from operator set 13 on
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(graph) | {node.name for node in graph if node.name}
        done = [node for node in tuple(graph) if is_op(node, *_POOLS) and _try_widen(graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_widen(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    x, old = node.inputs[0], node.outputs[0]
    if x is None or x.shape is None or len(x.shape) != 3 or len(node.outputs) != 1:
        return False
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return False
    attributes = dict(node.attributes)
    for name, row in _OF_ROW.items():
        written = node.attributes.get_ints(name, None)
        if written is not None:
            ends = len(written)  # 1, and 2 for pads: before and behind
            values = [number for end in range(ends) for number in (*row, written[end])]
            attributes[name] = ir.AttrInt64s(name, values)
    axis = add_initializer(graph, fresh_name(f"{node.name}_axis", taken), np.asarray([2], np.int64))
    new: list[ir.Node] = []

    def add(op: str, operands: list[ir.Value], shape: ir.Shape | None, **given: ir.Attr) -> ir.Value:
        made = ir.Node("", op, operands, attributes=given.values(), name=fresh_name(f"{node.name}_{op}", taken))
        made_from(made, node)
        made.outputs[0].name = fresh_name(f"{node.name}_{op}_Output", taken)
        made.outputs[0].type, made.outputs[0].shape = old.type, shape
        new.append(made)
        return made.outputs[0]

    pooled = None if old.shape is None else _with_row(old.shape)
    image = add("Unsqueeze", [x, axis], _with_row(x.shape))
    result = add("Squeeze", [add(node.op_type, [image], pooled, **attributes), axis], old.shape)
    ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], [result])
    return True


def _with_row(shape: ir.Shape) -> ir.Shape:
    return ir.Shape((*shape[:2], 1, *shape[2:]))
