"""Flatten(x) -> Reshape(x, [rows, columns]), where the sizes of x are known. Exact.

CoreML's ML Program has a reshape and no flatten (ONNX Runtime 1.31.1): a Flatten before a classifier would send its
operand to the CPU and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, is_op, opset_of, value_names
from ..scope import made_from

__all__ = ["FlattenToReshape"]


@dataclass(frozen=True, kw_only=True)
class FlattenToReshape(Pass):
    """Make a Reshape of every Flatten in the main graph."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < 5:  # Reshape takes its shape as an input from operator set 5 on
            return ir.passes.PassResult(model, modified=False)
        taken = value_names(model.graph)
        done = [node for node in model.graph if is_op(node, "Flatten") and _try_rewrite(model.graph, node, taken)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_rewrite(graph: ir.Graph, node: ir.Node, taken: set[str]) -> bool:
    x = node.inputs[0]
    dims = None if x is None or x.shape is None else [dim for dim in x.shape if isinstance(dim, int)]
    if x is None or x.shape is None or dims is None or len(dims) < len(x.shape) or 0 in dims:
        return False
    axis = node.attributes.get_int("axis", 1)
    axis = axis + len(dims) if axis < 0 else axis
    wanted = np.asarray([prod(dims[:axis]), prod(dims[axis:])], np.int64)
    shape = add_initializer(graph, fresh_name(f"{node.name}_shape", taken), wanted)
    reshape = ir.node("Reshape", [x, shape], name=node.name)
    made_from(reshape, node)
    old, new = node.outputs[0], reshape.outputs[0]
    new.type, new.shape = old.type, old.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [reshape], [old], [new])
    return True
