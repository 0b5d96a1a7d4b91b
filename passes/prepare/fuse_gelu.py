"""x/2 (1 + erf(x/√2)) -> Gelu(x), as exporters of operator sets below 20 write it.

1. (x * (1 + erf)) * 0.5
2. (0.5 * (1 + erf)) * x
3. (x * 0.5) * (1 + erf)

with erf = Erf(x / √2) or Erf(x * 1/√2). Exact in real numbers. The QNN provider has no Erf: each one would end a
partition, and send its operand to the CPU and back (onnxruntime-qnn 2.7.0, 2026-11-20).

Scope: the main graph, operator set 20 and newer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import constant_scalar, is_op, opset_of, sole_consumer
from ..scope import made_from

__all__ = ["FuseGelu"]

_GELU_SINCE = 20


@dataclass(frozen=True, kw_only=True)
class FuseGelu(Pass):
    """Make a Gelu of the operators around an Erf."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if opset_of(model) < _GELU_SINCE:
            return ir.passes.PassResult(model, modified=False)
        done = [node for node in tuple(model.graph) if is_op(node, "Erf") and _try_fuse(model.graph, node)]
        return ir.passes.PassResult(model, modified=bool(done))


def _try_fuse(graph: ir.Graph, erf: ir.Node) -> bool:
    x = _scaled(erf.inputs[0])
    add = sole_consumer(erf.outputs[0])
    if x is None or add is None or not is_op(add, "Add") or not _near(_other(add, erf.outputs[0]), 1.0):
        return False
    last = _last(add, x)
    if last is None or last.graph is not graph:
        return False
    gelu = ir.node("Gelu", [x], name=last.name)
    made_from(gelu, last)
    old, new = last.outputs[0], gelu.outputs[0]
    new.type, new.shape = old.type, old.shape
    before = tuple(last.inputs)
    ir.convenience.replace_nodes_and_values(graph, last, [last], [gelu], [old], [new])
    _drop(graph, before, x)
    return True


def _drop(graph: ir.Graph, values: Sequence[ir.Value | None], x: ir.Value) -> None:
    """Remove what led from x to these values and is read by nobody else."""
    for value in values:
        producer = None if value is None or value is x else value.producer()
        if producer is None or producer.graph is not graph:
            continue
        if not any(output.uses() or output.is_graph_output() for output in producer.outputs):
            before = tuple(producer.inputs)
            graph.remove(producer, safe=True)
            _drop(graph, before, x)


def _scaled(value: ir.Value | None) -> ir.Value | None:
    """The x of x / √2 or x * 1/√2."""
    node = None if value is None else value.producer()
    if is_op(node, "Div") and node is not None and _near(node.inputs[1], math.sqrt(2)):
        return node.inputs[0]
    if is_op(node, "Mul") and node is not None:
        return next((node.inputs[1 - k] for k in (0, 1) if _near(node.inputs[k], math.sqrt(0.5))), None)
    return None


def _last(add: ir.Node, x: ir.Value) -> ir.Node | None:
    """The Mul that ends the product of 1 + erf, x and a half."""
    first = sole_consumer(add.outputs[0])
    if first is None or not is_op(first, "Mul"):
        return None
    beside = _other(first, add.outputs[0])
    if beside is not None and _is_half_of(beside, x):
        return first
    second = sole_consumer(first.outputs[0])
    if second is None or not is_op(second, "Mul"):
        return None
    left = _other(second, first.outputs[0])
    if (beside is x and _near(left, 0.5)) or (_near(beside, 0.5) and left is x):
        return second
    return None


def _is_half_of(value: ir.Value, x: ir.Value) -> bool:
    node = value.producer()
    return node is not None and is_op(node, "Mul") and x in node.inputs and _near(_other(node, x), 0.5)


def _other(node: ir.Node, one: ir.Value) -> ir.Value | None:
    """The operand beside one of two."""
    return node.inputs[1] if node.inputs[0] is one else node.inputs[0]


def _near(value: ir.Value | None, wanted: float) -> bool:
    """Whether a constant is a number, as float32 and exporters round it."""
    found = constant_scalar(value)
    return found is not None and math.isclose(found, wanted, rel_tol=1e-5)
