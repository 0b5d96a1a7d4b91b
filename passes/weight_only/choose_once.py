"""If(c), If(c), … -> one If(c) around all: what chooses the same every time chooses once.

    y = g(If(c, a1, b1)(f(x))), … -> If(c, y = g(a1(f(x))), …, y = g(b1(f(x))), …)

Exact: the same nodes run on the same values. An If costs 11 µs of a token's step, its weights streaming through the
caches meanwhile: 49 of them 15 % of decoding 125 M weights in 4 bits (ONNX Runtime 1.31.1, one thread, Zen 5, 2026-11).
Caches stay in place: what a branch writes goes to the memory that is bound to the output of the If.

Nodes are there twice, constants once. Scope: the main graph, where all that has branches has the same condition, which
does not depend on them; outputs are made by nodes, branches have no constants of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..base import Pass
from ..edit import fresh_name, is_op, remark, remarks_on, rewire
from .stored import every_name

__all__ = ["ChooseOnce"]

_THEN, _ELSE = "then_branch", "else_branch"


@dataclass(frozen=True, kw_only=True)
class ChooseOnce(Pass):
    """Put one If around the whole of a graph in the place of many that choose alike."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        choices = _choices(model.graph)
        if choices:
            _Hoist(model, choices).run()
        return ir.passes.PassResult(model, modified=bool(choices))


def _choices(graph: ir.Graph) -> list[ir.Node]:
    """The Ifs that become one; empty where they cannot."""
    branching = [node for node in graph if any(_is_body(each) for each in node.attributes.values())]
    conditions = {node.inputs[0] for node in branching}
    if len(branching) < 2 or len(conditions) != 1 or not all(is_op(node, "If") for node in branching):
        return []
    (condition,) = conditions
    before = _before(condition)
    if condition is None or before & set(branching) or condition.is_graph_output():
        return []
    if not all(_is_plain(_body(node, name)) for node in branching for name in (_THEN, _ELSE)):
        return []
    made = [value.producer() for value in graph.outputs]
    whole = all(node is not None and node not in before for node in made)
    return branching if whole and len(set(graph.outputs)) == len(graph.outputs) else []


def _is_body(attribute: ir.Attr) -> bool:
    return attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


def _is_plain(body: ir.Graph) -> bool:
    """Whether a branch is nodes, which make all it gives out, and nothing else."""
    inner = set(body)
    return (
        not body.initializers
        and all(value.producer() in inner for value in body.outputs)
        and len(set(body.outputs)) == len(body.outputs)
    )


def _before(value: ir.Value | None) -> set[ir.Node]:
    """The nodes that a value is computed by."""
    found: set[ir.Node] = set()
    left = [value]
    while left:
        each = left.pop()
        node = None if each is None else each.producer()
        if node is not None and node not in found:
            found.add(node)
            left.extend(node.inputs)
    return found


class _Hoist:
    def __init__(self, model: ir.Model, choices: Sequence[ir.Node]) -> None:
        self._graph = model.graph
        self._choices = set(choices)
        self._condition = choices[0].inputs[0]
        before = _before(self._condition)
        self._rest = [node for node in model.graph if node not in before]
        self._taken = every_name(model)

    def run(self) -> None:
        graph, outputs = self._graph, list(self._graph.outputs)
        chosen = {_THEN: self._copied(outputs), _ELSE: self._moved(outputs)}
        choice = ir.node(
            "If", [self._condition], chosen, num_outputs=len(outputs), name=fresh_name("choice", self._taken)
        )
        for made, old in zip(choice.outputs, outputs, strict=True):
            made.name, made.type, made.shape = old.name, old.type, old.shape
        for number, (name, body) in enumerate(chosen.items()):
            for value in body.outputs:
                value.name = fresh_name(f"{value.name}/{name}", self._taken) if number else value.name
        graph.append(choice)
        graph.outputs[:] = choice.outputs

    def _copied(self, outputs: Sequence[ir.Value]) -> ir.Graph:
        """The graph with every first branch, of new nodes."""
        new: dict[ir.Value, ir.Value] = {}
        nodes: list[ir.Node] = []
        for node in self._rest:
            if node in self._choices:
                body = _body(node, _THEN)
                results = list(body.outputs)
                for each in ir.traversal.RecursiveGraphIterator(body):
                    for index, value in enumerate(each.inputs):
                        each.replace_input_with(index, None if value is None else new.get(value, value))
                inner = list(body)
                body.outputs.clear()
                body.remove(inner)
                nodes += inner
                new |= dict(zip(node.outputs, results, strict=True))
            else:
                nodes.append(self._copy(node, new))
        return self._branch(nodes, [new[value] for value in outputs], outputs)

    def _copy(self, node: ir.Node, new: dict[ir.Value, ir.Value]) -> ir.Node:
        made = ir.Node(
            node.domain,
            node.op_type,
            [None if value is None else new.get(value, value) for value in node.inputs],
            list(node.attributes.values()),
            num_outputs=len(node.outputs),
            name=fresh_name(f"{node.name}/{_THEN}", self._taken),
            metadata_props=dict(node.metadata_props),
        )
        remark(made, *remarks_on(node))
        for old, value in zip(node.outputs, made.outputs, strict=True):
            value.type, value.shape = old.type, old.shape
            value.name = fresh_name(f"{old.name}/{_THEN}", self._taken) if old.name else old.name
            new[old] = value
        return made

    def _moved(self, outputs: Sequence[ir.Value]) -> ir.Graph:
        """The graph with every second branch, of its own nodes."""
        nodes: list[ir.Node] = []
        results = {value: value for value in outputs}
        self._graph.outputs.clear()
        for node in self._rest:
            if node not in self._choices:
                nodes.append(node)
                continue
            body = _body(node, _ELSE)
            for old, value in zip(node.outputs, list(body.outputs), strict=True):
                rewire(tuple(old.uses()), value)
                if old in results:
                    results[old] = value
            inner = list(body)
            body.outputs.clear()
            body.remove(inner)
            nodes += inner
        self._graph.remove(list(self._choices), safe=True)
        self._graph.remove([node for node in self._rest if node not in self._choices])
        return self._branch(nodes, list(results.values()), outputs)

    def _branch(self, nodes: list[ir.Node], made: list[ir.Value], outputs: Sequence[ir.Value]) -> ir.Graph:
        for value, old in zip(made, outputs, strict=True):
            value.type, value.shape = old.type, old.shape
        return ir.Graph([], made, nodes=nodes, name=fresh_name("branch", self._taken))


def _body(node: ir.Node, name: str) -> ir.Graph:
    return node.attributes[name].as_graph()
