"""Leave whole residual layers out: y = x + f(x) becomes y = x.

A residual layer is an Add of a value and of what is computed of it; masks and positions may be read beside it. For a
budget, those go first that change the stream least for what they cost: as measured on samples, 1 - cos(x, y) over all
elements (block influence, Men et al. 2024, ShortGPT, arXiv 2403.03853, equation 1, here over all tokens at once); by
magnitude, the size of the weights that end the branch.

With Σx², Σf² and Σy² over all elements, Σxy = (Σx² + Σy² - Σf²) / 2: three sums tell the angle.

Scope: the main graph. Left alone: a branch whose values anybody else reads, or that changes the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_constant, is_op, remark, rewire, subgraph_nodes
from ..observe.statistics import Gram, Need, Products, observation_of
from ..rewrite.linear import Linear, linear_of
from ..scope import matches
from .costs import cost_of_nodes
from .pattern import read_share

__all__ = ["PruneLayers"]

_DONE = "edgec.pruned.layers"
_SQUARES = Products()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Branch:
    """One residual layer.

    Attributes:
        add: Where it ends.
        past: Which input of the Add goes past it.
        x, f: What that is, and what the layer computes.
        nodes: What computes f of x.
    """

    add: ir.Node
    past: int
    x: ir.Value
    f: ir.Value
    nodes: frozenset[ir.Node]


@dataclass(frozen=True, kw_only=True)
class PruneLayers(Pass):
    """Leave out residual layers, for a budget.

    Attributes:
        share: Of the budget that is to go at most, `10%` or `0.1`: a layer that is more than what is left stays.
        budget: `macs` or `parameters`, of products with constants.
        by: `reconstruction`, what the stream loses on samples, or `magnitude`, of weights alone.
        exclude_nodes: Regular expressions over names of the Adds, or of nodes of the branch, that stay.
    """

    share: str
    budget: str = "macs"
    by: str = "reconstruction"
    exclude_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        read_share(self.share)
        if self.budget not in ("macs", "parameters"):
            raise ValueError(f"budget: {self.budget!r} is not one of macs, parameters")
        if self.by not in ("reconstruction", "magnitude"):
            raise ValueError(f"by: {self.by!r} is not one of reconstruction, magnitude")

    @property
    def invalidates(self) -> bool:
        """What is left computes other values."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        if self.by != "reconstruction" or _DONE in model.graph.meta:
            return ()
        values = [value for each in self._branches(model) for value in (each.x, each.f, each.add.outputs[0])]
        return tuple(Need(value=name, statistic=_SQUARES) for name in dict.fromkeys(str(v.name) for v in values))

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if _DONE in model.graph.meta:
            return ir.passes.PassResult(model, modified=False)
        model.graph.meta[_DONE] = True
        macs = self.budget == "macs"
        left = read_share(self.share) * cost_of_nodes(model.graph, macs=macs)
        weighed = [(each, cost_of_nodes(each.nodes, macs=macs)) for each in self._branches(model)]
        weighed = [(each, cost) for each, cost in weighed if cost]
        order = sorted(weighed, key=lambda pair: self._loss(pair[0]) / pair[1])
        gone: set[ir.Node] = set()
        for branch, cost in order:
            if cost <= left and branch.add not in gone:
                _leave_out(model.graph, branch)
                gone |= {branch.add, *branch.nodes}
                left -= cost
        if not weighed:
            for node in model.graph:
                if linear_of(node) is not None:
                    remark(node, "is in no residual layer that could be left out")
        return ir.passes.PassResult(model, modified=bool(gone))

    def _loss(self, branch: _Branch) -> float:
        """How far the layer turns the stream; of weights alone, how large those are that end it."""
        sums = [_energy(value) for value in (branch.x, branch.f, branch.add.outputs[0])]
        if self.by == "reconstruction" and all(each is not None for each in sums):
            x, f, y = (float(each or 0) for each in sums)
            return 1 - (x + y - f) / 2 / np.sqrt(x * y) if x * y else 1.0
        last: ir.Node | None = branch.f.producer()
        while last is not None and not isinstance(linear_of(last), Linear):
            value = last.inputs[0]
            last = None if value is None else value.producer()
        found = None if last is None else linear_of(last)
        return float(np.square(found.weight).mean()) if isinstance(found, Linear) else np.inf

    def _branches(self, model: ir.Model) -> list[_Branch]:
        captured = {value for node in subgraph_nodes(model) for value in node.inputs if value is not None}
        found = []
        for node in model.graph:
            branch = _branch_of(node, captured) if is_op(node, "Add") else None
            if branch is not None and not any(matches(each, self.exclude_nodes) for each in (node, *branch.nodes)):
                found.append(branch)
        return found


def _branch_of(add: ir.Node, captured: set[ir.Value]) -> _Branch | None:
    """The residual layer that an Add ends."""
    out = add.outputs[0]
    for past in (0, 1):
        x, f = add.inputs[past], add.inputs[1 - past]
        if x is None or f is None or x is f or is_constant(x) or is_constant(f) or out.shape is None:
            continue
        if x.shape != out.shape or f.shape != out.shape or len(out.shape) < 2 or out.dtype != ir.DataType.FLOAT:
            continue
        nodes = _between(x, f)
        inside = {value for node in nodes for value in node.outputs}
        if not nodes or inside & captured or any(value.is_graph_output() for value in inside):
            continue
        uses = ((value, reader) for value in inside for reader, _ in value.uses())
        if all(reader in nodes or (value is f and reader is add) for value, reader in uses):
            return _Branch(add=add, past=past, x=x, f=f, nodes=frozenset(nodes))
    return None


def _between(x: ir.Value, f: ir.Value) -> set[ir.Node]:
    """Nodes on the ways from x to f; those that read only sizes of x are on none."""
    before: dict[ir.Node, None] = {}  # all that f is computed of, as far back as x
    pending = [f]
    while pending:
        value = pending.pop()
        producer = value.producer()
        if value is not x and producer is not None and producer not in before:
            before[producer] = None
            pending.extend(each for each in producer.inputs if each is not None)
    found: set[ir.Node] = set()
    pending = [x]
    while pending:
        for reader, _ in pending.pop().uses():
            if reader in before and reader not in found and not is_op(reader, "Shape", "Size"):
                found.add(reader)
                pending.extend(reader.outputs)
    return found


def _energy(value: ir.Value) -> float | None:
    observed = observation_of(value, _SQUARES)
    return float(np.trace(observed.matrix, axis1=-2, axis2=-1).sum()) if isinstance(observed, Gram) else None


def _leave_out(graph: ir.Graph, branch: _Branch) -> None:
    """Let readers of the sum read what goes past the layer."""
    out, x = branch.add.outputs[0], branch.add.inputs[branch.past]  # of now: a layer before it may have gone
    assert x is not None
    if out.is_graph_output():  # it keeps its name: Identity writes it
        same = ir.node("Identity", [x], name=branch.add.name)
        new = same.outputs[0]
        new.name, new.type, new.shape = out.name, out.type, out.shape
        graph.insert_after(branch.add, same)
        graph.outputs[graph.outputs.index(out)] = new
        rewire(tuple(out.uses()), new)
    else:
        rewire(tuple(out.uses()), x)
    graph.remove([branch.add], safe=True)
    graph.remove([node for node in reversed(graph) if node in branch.nodes], safe=True)
