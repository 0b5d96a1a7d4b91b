"""x / √(mean x² + ε) γ -> one node, with the residual sum in front of it where there is one.

    m = ReduceMean(Pow(x, 2) | Mul(x, x), last axis, keepdims)
    n = Div(x, Sqrt(m + ε)) | Mul(x, Reciprocal(Sqrt(m + ε))) | Mul(x, Div(1, Sqrt(m + ε))) | Mul(x, Pow(m + ε, -1/2))
    y = Mul(n, γ)

B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization" (2019, arXiv 1910.07467), eq. 4.

1. x = Add(a, b), a and b of one shape: com.microsoft SkipSimplifiedLayerNormalization, whose fourth output is a + b.
   The same of an RMSNormalization.
2. Else, operator set 23 and newer: RMSNormalization. Older sets have no operator for it.

Exact in real numbers; in float32 within a few ulp. A norm of primitives is 7 kernels, each of which reads and writes
all of the hidden states.

Scope: the main graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import constant_array, constant_scalar, is_op, opset_of, sole_consumer
from ..scope import made_from

__all__ = ["FuseRmsNorm"]

_STANDARD_SINCE = 23
_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, kw_only=True)
class FuseRmsNorm(Pass):
    """Make one node of an RMS norm, and of the sum it normalizes."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        standard, skips, alone = opset_of(model) >= _STANDARD_SINCE, 0, 0
        for node in tuple(model.graph):
            norm = _norm(node) if node.graph is model.graph else None
            add = None if norm is None else norm.sum_before
            if norm is not None and add is not None:
                _fuse_with_sum(model.graph, norm, add)
                skips += 1
            elif norm is not None and standard and len(norm.nodes) > 1:
                _fuse_alone(model.graph, norm)
                alone += 1
        if skips:
            model.graph.opset_imports.setdefault(_MICROSOFT, 1)
        return ir.passes.PassResult(model, modified=bool(skips + alone))


@dataclass(frozen=True, slots=True)
class _Norm:
    """A norm as it was written: its nodes in order, the last one named y."""

    x: ir.Value
    gamma: ir.Value
    epsilon: float
    nodes: Sequence[ir.Node]

    @property
    def sum_before(self) -> ir.Node | None:
        """The sum it normalizes, where that can go inside."""
        add = self.x.producer()
        if add is None or not is_op(add, "Add") or self.x.is_graph_output() or add.graph is not self.nodes[0].graph:
            return None
        a, b = add.inputs
        if a is None or b is None or a.shape is None or a.shape != b.shape or len(a.shape) not in (2, 3):
            return None
        known = all(isinstance(dim, int) or dim.value is not None for dim in a.shape)
        return add if known and a.dtype == ir.DataType.FLOAT else None


def _norm(node: ir.Node) -> _Norm | None:
    """The norm that a node is, or is in the middle of."""
    return _of_primitives(node) if is_op(node, "ReduceMean") else _of_operator(node)


def _of_operator(node: ir.Node) -> _Norm | None:
    if not is_op(node, "RMSNormalization") or node.attributes.get_int("axis", -1) != -1:
        return None
    x, gamma = node.inputs[:2]
    if x is None or gamma is None or not _is_gain(gamma, x):
        return None
    return _Norm(x, gamma, node.attributes.get_float("epsilon", 1e-5), (node,))


def _of_primitives(mean: ir.Node) -> _Norm | None:
    square = None if mean.inputs[0] is None else mean.inputs[0].producer()
    x = None if square is None else _squared(square)
    if square is None or x is None or x.shape is None or not _over_last(mean, len(x.shape)):
        return None
    add = _next(mean, "Add")
    epsilon = None if add is None else _constant_beside(add, mean.outputs[0])
    if add is None or epsilon is None:
        return None
    scaled = _scaled(x, add)
    if scaled is None:
        return None
    gain = _next(scaled[-1], "Mul")
    gamma = None if gain is None else _beside(gain, scaled[-1].outputs[0])
    if gain is None or gamma is None or not _is_gain(gamma, x):
        return None
    if sole_consumer(square.outputs[0]) is None:
        return None
    return _Norm(x, gamma, epsilon, (square, mean, add, *scaled, gain))


def _scaled(x: ir.Value, add: ir.Node) -> list[ir.Node] | None:
    """The nodes from the mean square to x over its root, that included."""
    root = _next(add, "Sqrt")
    if root is None:
        power = _next(add, "Pow")
        if power is None or constant_scalar(power.inputs[1]) != -0.5 or power.inputs[0] is not add.outputs[0]:
            return None
        return _times(x, [power])
    whole = _next(root, "Div")
    if whole is not None and whole.inputs[1] is root.outputs[0]:
        if whole.inputs[0] is x:
            return [root, whole]
        return _times(x, [root, whole]) if constant_scalar(whole.inputs[0]) == 1.0 else None
    inverse = _next(root, "Reciprocal")
    return None if inverse is None else _times(x, [root, inverse])


def _times(x: ir.Value, before: list[ir.Node]) -> list[ir.Node] | None:
    product = _next(before[-1], "Mul")
    if product is None or _beside(product, before[-1].outputs[0]) is not x:
        return None
    return [*before, product]


def _fuse_alone(graph: ir.Graph, norm: _Norm) -> None:
    last = norm.nodes[-1]
    numbers = {"axis": -1, "epsilon": norm.epsilon}
    made = ir.node("RMSNormalization", [norm.x, norm.gamma], numbers, name=last.name)
    graph.insert_after(last, made)
    _take_over(graph, norm, made)


def _fuse_with_sum(graph: ir.Graph, norm: _Norm, add: ir.Node) -> None:
    inputs = [add.inputs[0], add.inputs[1], norm.gamma]
    made = ir.node(
        "SkipSimplifiedLayerNormalization", inputs, {"epsilon": norm.epsilon},
        domain=_MICROSOFT, num_outputs=4, name=norm.nodes[-1].name,
    )  # fmt: skip
    made.outputs[1].name = made.outputs[2].name = ""
    total = made.outputs[3]
    total.name, total.type, total.shape = norm.x.name, norm.x.type, norm.x.shape
    # Where the sum was: whatever reads it comes after.
    graph.insert_after(add, made)
    ir.convenience.replace_all_uses_with(norm.x, total)
    _take_over(graph, norm, made)
    graph.remove(add, safe=True)


def _take_over(graph: ir.Graph, norm: _Norm, made: ir.Node) -> None:
    """Let a node answer for a norm, and remove what it was written with."""
    y, new = norm.nodes[-1].outputs[0], made.outputs[0]
    made_from(made, norm.nodes[-1])
    new.name, new.type, new.shape = y.name, y.type, y.shape
    ir.convenience.replace_all_uses_with(y, new, replace_graph_outputs=True)
    for node in reversed(norm.nodes):
        graph.remove(node, safe=True)


def _squared(node: ir.Node) -> ir.Value | None:
    """The x of x² ."""
    if is_op(node, "Pow") and constant_scalar(node.inputs[1]) == 2.0:
        return node.inputs[0]
    return node.inputs[0] if is_op(node, "Mul") and node.inputs[0] is node.inputs[1] else None


def _over_last(mean: ir.Node, rank: int) -> bool:
    """Whether a ReduceMean is over the last axis, which it keeps."""
    if not mean.attributes.get_int("keepdims", 1):
        return False
    given = mean.inputs[1] if len(mean.inputs) > 1 else None
    axes = constant_array(given) if given is not None else np.asarray(mean.attributes.get_ints("axes", ()))
    return axes is not None and axes.size == 1 and int(axes.reshape(())) in (-1, rank - 1)


def _is_gain(gamma: ir.Value, x: ir.Value) -> bool:
    """Whether it is one number per element of the last axis, known before the graph begins."""
    if gamma.shape is None or x.shape is None or gamma.dtype != x.dtype or gamma.producer() is not None:
        return False
    return len(gamma.shape) == 1 and isinstance(gamma.shape[0], int) and gamma.shape[0] == x.shape[-1]


def _next(node: ir.Node, op: str) -> ir.Node | None:
    """The one node that reads a node's result, where it is of this type and in the same graph."""
    reader = sole_consumer(node.outputs[0])
    return reader if reader is not None and is_op(reader, op) and reader.graph is node.graph else None


def _beside(node: ir.Node, one: ir.Value) -> ir.Value | None:
    """The operand beside one of two."""
    return node.inputs[1] if node.inputs[0] is one else node.inputs[0]


def _constant_beside(node: ir.Node, one: ir.Value) -> float | None:
    return constant_scalar(_beside(node, one))
