"""GroupNormalization(x, g, b) -> Reshape(InstanceNormalization(Reshape(x, [N, groups, -1]), 1, 0), like x) * g + b.

A group is normalized over its channels and their pixels: it is one channel of the reshaped x. Exact up to the order of
sums; both take the population's variance and the same epsilon. Operator sets 18 to 20 have one g and b per group, which
InstanceNormalization takes itself; from 21 on they are per channel.

QNN's provider takes a GroupNormalization only where nothing follows it: its result has no shape once it is laid out
channels last, and no session opens ("was inserted using the NHWC format as requested by QNNExecutionProvider, but was
not selected by it"; onnxruntime-qnn 2.7.0, 2026-11-21). InstanceNormalization has 65 dB in fp16 wherever it stands.

Scope: the main graph; static shapes, constant g and b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, opset_of, skip, value_names
from ..scope import made_from

__all__ = ["PartGroupNorm"]

# One g and b per channel from this operator set on.
_PER_CHANNEL = 21


@dataclass(frozen=True, kw_only=True)
class PartGroupNorm(Pass):
    """Make an InstanceNormalization, a Mul and an Add of a GroupNormalization."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph, opset = model.graph, opset_of(model)
        taken = value_names(graph) | {node.name for node in graph if node.name}
        modified = False
        while norms := [node for node in graph if is_op(node, "GroupNormalization")]:
            done = [node for node in norms if _try_part(graph, node, taken, opset)]
            if not done:
                break
            modified = True
            # onnx infers nothing behind a GroupNormalization (1.23), so that the next one knows its shape only now.
            if len(done) < len(norms):
                ShapeInferencePass()(model)
        return ir.passes.PassResult(model, modified=modified)


def _try_part(graph: ir.Graph, node: ir.Node, taken: set[str], opset: int) -> bool:
    x, (g, b) = node.inputs[0], (constant_array(value) for value in node.inputs[1:3])
    if g is None or b is None:
        skip(node, "its scale or bias is no constant")
        return False
    if x is None or x.shape is None or not x.shape.is_static():
        skip(node, "the shape of what it normalizes is not known")
        return False
    dims = x.shape.numpy()
    groups = node.attributes["num_groups"].as_int()
    stem, dtype = str(node.name or node.outputs[0].name), g.dtype
    whole = opset < _PER_CHANNEL
    inner = (g, b) if whole else (np.ones(groups, dtype), np.zeros(groups, dtype))

    def constant(name: str, array: np.ndarray) -> ir.Value:
        return add_initializer(graph, fresh_name(f"{stem}_{name}", taken), array)

    new: list[ir.Node] = []

    def add(op: str, inputs: list[ir.Value], **attributes: float) -> ir.Value:
        made = ir.node(op, inputs, attributes, name=fresh_name(f"{stem}_{op}", taken))
        made_from(made, node)
        result = made.outputs[0]
        result.name, result.type = fresh_name(f"{stem}_{op}_Output", taken), node.outputs[0].type
        new.append(made)
        return result

    rows = ir.Shape([dims[0], groups, int(np.prod(dims[1:])) // groups])
    value = add("Reshape", [x, constant("rows", np.array(list(rows), np.int64))])
    value.shape = rows
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    value = add("InstanceNormalization", [value, constant("g", inner[0]), constant("b", inner[1])], epsilon=epsilon)
    value.shape = rows
    value = add("Reshape", [value, constant("dims", np.array(dims, np.int64))])
    value.shape = x.shape
    if not whole:
        along = (-1, *(1 for _ in dims[2:]))
        value = add("Mul", [value, constant("scale", g.reshape(along))])
        value.shape = x.shape
        value = add("Add", [value, constant("bias", b.reshape(along))])
        value.shape = x.shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], new, [node.outputs[0]], [value])
    return True
