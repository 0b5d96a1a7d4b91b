"""What was decided for a graph, kept on its nodes and values: who runs in integers, from which params.

`DecideQuantization` writes these; observe, params and insertion read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..spec import Derived, OpRule, QuantParams, QuantSpec, Source
from .params import recode

__all__ = [
    "Decision",
    "Rounded",
    "clipped_of",
    "decided_nodes",
    "decided_values",
    "decision_of",
    "params_of",
    "read_params",
    "rounded_of",
    "set_clipped",
    "set_decision",
    "set_params",
    "set_rounded",
    "set_source",
    "source_of",
]

_DECISION = "edgec.decision"
_SOURCE = "edgec.source"
_PARAMS = "edgec.params"
_ROUNDED = "edgec.rounded"
_CLIPPED = "edgec.clipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """How one node runs in integers.

    Attributes:
        rule: The target's rule that matched.
        activations: Indices of inputs read through Q/DQ.
        weight: Index of the constant operand and its spec with the axis resolved, or None.
        bias: Index of the bias and how its int32 params follow from the inputs' params, or None.
        clamp: The Relu or Clip behind it whose work the output's saturation may do.
        ceiling: The Min with a constant behind both, which integers can do as well.
        output: The value that carries the output's Q/DQ (behind clamp and ceiling), or None for float.
    """

    rule: OpRule
    activations: tuple[int, ...]
    weight: tuple[int, QuantSpec] | None = None
    bias: tuple[int, Derived] | None = None
    clamp: ir.Node | None = None
    ceiling: ir.Node | None = None
    output: ir.Value | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rounded:
    """A node's weight as it will be stored, when it is not simply rounded to the nearest.

    Attributes:
        params: Its scale and zero point.
        codes: The integers, shape of the weight, the spec's dtype.
    """

    params: QuantParams
    codes: np.ndarray


def set_decision(node: ir.Node, decision: Decision) -> None:
    """Decide that `node` runs in integers."""
    node.meta[_DECISION] = decision


def decision_of(node: ir.Node) -> Decision | None:
    """The decision for a node; None keeps it float."""
    return node.meta.get(_DECISION)


def set_source(value: ir.Value, source: Source) -> None:
    """Decide that `value` carries Q/DQ with params from `source`."""
    value.meta[_SOURCE] = source


def source_of(value: ir.Value) -> Source | None:
    """Where a value's params come from; None when it stays float."""
    return value.meta.get(_SOURCE)


def set_params(value: ir.Value, params: QuantParams) -> None:
    """Remember the params computed for `value`."""
    value.meta[_PARAMS] = params


def params_of(value: ir.Value) -> QuantParams | None:
    """The params computed for a value; None before `ComputeParams`."""
    return value.meta.get(_PARAMS)


def read_params(value: ir.Value, decision: Decision) -> QuantParams:
    """The params an integer node reads a value with, after `ComputeParams`: as it is stored, or in the node's width.

    What moves elements reads them as they are.
    """
    stored, asked = params_of(value), decision.rule.inputs
    assert stored is not None, f"{value.name} has no params"
    if decision.rule.role == "carry" or asked is None or asked.bits == stored.spec.bits:
        return stored
    return recode(stored, asked)


def set_rounded(node: ir.Node, rounded: Rounded) -> None:
    """Remember the integers chosen for the weight of `node`; nodes that share them get the same object."""
    node.meta[_ROUNDED] = rounded


def rounded_of(node: ir.Node) -> Rounded | None:
    """The integers chosen for a node's weight; None rounds it to the nearest."""
    return node.meta.get(_ROUNDED)


def set_clipped(node: ir.Node, params: QuantParams) -> None:
    """Remember params for the weight of `node` that do not cover its extremes."""
    node.meta[_CLIPPED] = params


def clipped_of(node: ir.Node) -> QuantParams | None:
    """The clipped params of a node's weight; None covers its extremes."""
    return node.meta.get(_CLIPPED)


def decided_nodes(graph: ir.Graph) -> Iterator[tuple[ir.Node, Decision]]:
    """Nodes that run in integers, in graph order."""
    for node in graph:
        if (decision := decision_of(node)) is not None:
            yield node, decision


def decided_values(graph: ir.Graph) -> Iterator[tuple[ir.Value, Source]]:
    """Values that carry Q/DQ, graph inputs first, then in graph order."""
    for value in graph.inputs:
        if (source := source_of(value)) is not None:
            yield value, source
    for node in graph:
        for value in node.outputs:
            if (source := source_of(value)) is not None:
                yield value, source
