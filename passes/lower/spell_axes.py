"""Reductions that name no axes, said in another way. Exact.

1. ReduceMean<noop_with_empty_axes=1>(x) -> x: without axes it does nothing, and ONNX Runtime 1.21 fails when it runs
   (2026-11). So for ReduceSum, ReduceMax, ReduceMin and ReduceProd; the others compute something of each element.
2. ReduceMean(x) -> ReduceMean(x, axes = [0, ..., r - 1]), and every other reduction over all axes, where the rank is
   known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, constant_array, fresh_name, is_op, opset_of, value_names

__all__ = ["SpellAxes"]

_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
               "ReduceProd", "ReduceSum", "ReduceSumSquare")  # fmt: skip
_IDLE = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
# Axes are an input from these operator sets on (ONNX changelog).
_INPUT_SINCE = {"ReduceSum": 13}


@dataclass(frozen=True, kw_only=True)
class SpellAxes(Pass):
    """Name the axes of reductions over all of them."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        taken, opset = value_names(model.graph), opset_of(model)
        idle = [node for node in model.graph.all_nodes() if is_op(node, *_IDLE) and _does_nothing(node)]
        for node in idle:
            _replace(node)
        found = [node for node in model.graph.all_nodes() if is_op(node, *_REDUCTIONS) and _is_open(node)]
        for node in found:
            x = node.inputs[0]
            assert x is not None
            assert x.shape is not None
            axes = list(range(len(x.shape)))
            if opset < _INPUT_SINCE.get(node.op_type, 18):
                node.attributes["axes"] = ir.AttrInt64s("axes", axes)
                continue
            value = add_initializer(model.graph, fresh_name(f"{node.name}_axes", taken), np.array(axes, np.int64))
            if len(node.inputs) < 2:
                node.resize_inputs(2)
            node.replace_input_with(1, value)
        return ir.passes.PassResult(model, modified=bool(found or idle))


def _is_open(node: ir.Node) -> bool:
    """Whether a node reduces all axes of a value of known rank without naming them."""
    x = node.inputs[0]
    if x is None or x.shape is None or not len(x.shape):
        return False
    return not node.attributes.get_int("noop_with_empty_axes", 0) and _names_none(node)


def _does_nothing(node: ir.Node) -> bool:
    return bool(node.attributes.get_int("noop_with_empty_axes", 0)) and _names_none(node)


def _names_none(node: ir.Node) -> bool:
    if "axes" in node.attributes:
        return False
    axes = node.inputs[1] if len(node.inputs) > 1 else None
    given = None if axes is None else constant_array(axes)
    return axes is None or (given is not None and given.size == 0)


def _replace(node: ir.Node) -> None:
    """An Identity in place of a node: the result may be public."""
    own, old = node.graph, node.outputs[0]
    assert own is not None
    copy = ir.node("Identity", [node.inputs[0]], name=node.name)
    new = copy.outputs[0]
    new.name, new.type, new.shape = old.name, old.type, old.shape
    ir.convenience.replace_nodes_and_values(own, node, [node], [copy], [old], [new])
