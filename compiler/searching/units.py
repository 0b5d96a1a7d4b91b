"""What can go back to float: the nodes that would run in integers, in order, with the neighbours they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.decision import Decision, decided_nodes
from ..planning.macs import macs_by_op, macs_of

__all__ = ["Unit", "Units", "units_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One node that runs in integers and does not merely move elements.

    Attributes:
        name: Its name.
        op_type: Its operator.
        macs: Its multiply-accumulates.
        computes: It asks for integers itself; others follow.
        sources: The nodes, itself included, that must be float for what it reads to be float: an integer
            convolution writes integers, so a value is freed together with the node that makes it.
    """

    name: str
    op_type: str
    macs: int
    computes: bool
    sources: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """Everything that would run in integers.

    Attributes:
        units: In graph order.
        macs: Multiply-accumulates by node name, of nodes that have any.
        total_macs: Of the whole model, float nodes included.
    """

    units: Sequence[Unit]
    macs: Mapping[str, int]
    total_macs: int

    def share(self, names: frozenset[str]) -> float:
        """The share of all MACs that these nodes have."""
        return sum(self.macs.get(name, 0) for name in names) / max(1, self.total_macs)

    def none_left(self, names: frozenset[str]) -> bool:
        """Whether nothing asks for integers any more with these nodes in float."""
        return all(unit.name in names for unit in self.units if unit.computes)

    def prefix(self, count: int) -> frozenset[str]:
        """The names of the first units."""
        return frozenset(unit.name for unit in self.units[:count])


def units_of(prepared: ir.Model, decide: DecideQuantization, source: ir.Model | None = None) -> Units:
    """The units of a model on which nothing was decided yet; it is not changed.

    Args:
        prepared: The model.
        decide: Decides what runs in integers.
        source: What it was made from: channels added since then are no work, and rows that are no longer known are.
            None counts what is there.
    """
    model = prepared.clone()
    asked = {} if source is None else {node.name: macs for node in source.graph if (macs := macs_of(node))}

    def work(node: ir.Node) -> int:
        return asked.get(node.name) or macs_of(node)

    decide(model)
    decided = dict(decided_nodes(model.graph))
    writers = {decision.output: node for node, decision in decided.items() if decision.output is not None}
    units = tuple(
        Unit(
            name=str(node.name),
            op_type=node.op_type,
            macs=work(node),
            computes=decision.rule.role == "compute",
            sources=_sources(node, decided, writers),
        )
        for node, decision in decided.items()
        if decision.rule.role != "carry"
    )
    return Units(
        units=units,
        macs={str(node.name): macs for node in decided if (macs := work(node))},
        total_macs=sum(macs_by_op(source or model).values()),
    )


def _sources(node: ir.Node, decided: Mapping[ir.Node, Decision], writers: Mapping[ir.Value, ir.Node]) -> frozenset[str]:
    """The node, who writes its activations, through nodes that only move elements, and who else reads them."""
    found = {str(node.name)}
    todo = [node]
    while todo:
        reader = todo.pop()
        for index in decided[reader].activations:
            value = reader.inputs[index]
            writer = None if value is None else writers.get(value)
            if value is None or writer is None:
                continue
            found |= {str(other.name) for other, _ in value.uses() if other in decided}
            if str(writer.name) not in found:
                found.add(str(writer.name))
                if decided[writer].rule.role == "carry":
                    todo.append(writer)
    return frozenset(found)
