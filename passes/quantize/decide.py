"""Decide which nodes run in integers and which values carry Q/DQ, from the target's rules.

Three roles (`OpRule.role`):

1. `compute` nodes (Conv, Gemm, MatMul) carry the MACs; each one the rules allow runs in integers.
2. `follow` nodes (Add, Concat, pooling, ...) run in integers where every activation they read is
   an integer already and somebody reads their result as one: no Q/DQ is spent on their account alone.
3. `carry` nodes (Reshape, MaxPool, ...) move elements; same condition, and the params are their input's.

2 and 3 are the greatest set that supports itself: start from all candidates and remove until nothing changes.

A Relu or Clip that is the only reader of a compute or follow node belongs to it: the Q stands behind the
clamp, so that saturation can do the clamp's work (`AbsorbClamps`). So does a Min with a constant behind it, which
integers can do as well (`MinIntegers`).

Scope: the main graph. Nodes in If/Loop/Scan bodies stay float, with a reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import onnx_ir as ir

from ...errors import ModelError
from ..base import Pass
from ..edit import skip, subgraph_nodes, why_skipped
from ..scope import matches, out_of_scope
from ..spec import Fixed, OpRule
from .clamps import ceiling_behind, clamp_behind
from .decision import Decision, decision_of, set_decision
from .forms import why_float
from .operands import operands_of
from .sources import assign_sources

__all__ = ["DecideQuantization", "nothing_to_do"]

# Operators whose products a reader would look for among the integer kernels.
_MULTIPLIES = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN", "Attention"))


@dataclass(frozen=True, kw_only=True)
class DecideQuantization(Pass):
    """Write decisions on nodes and sources on values; no edit.

    Attributes:
        rules: The target's; first match wins.
        exclude_nodes: Regular expressions over node names that stay float.
        exclude_ops: Operator types that stay float.
        only_ops: When not empty, the only `compute` operator types that run in integers.
        float_nodes: Names of nodes that stay float because a search found it better.
        reduce_range_nodes: Regular expressions over names of nodes whose int8 weights use 7 bits.
        wide_nodes: Names of nodes that go by `wide_rules`, because a search found it better.
        wide_rules: The same rules in 16 bits.
    """

    rules: tuple[OpRule, ...]
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()
    float_nodes: tuple[str, ...] = ()
    reduce_range_nodes: tuple[str, ...] = ()
    wide_nodes: tuple[str, ...] = ()
    wide_rules: tuple[OpRule, ...] = ()

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if any(decision_of(node) for node in model.graph):
            return ir.passes.PassResult(model, modified=False)
        candidates = {node: decision for node in model.graph if (decision := self._candidate(node)) is not None}
        for node in subgraph_nodes(model):
            if self._rule(node) is not None:
                skip(node, "is in the body of an If, Loop or Scan, which stays float")
        chosen = _supported(candidates)
        for node, decision in chosen.items():
            set_decision(node, decision)
        assign_sources(chosen)
        return ir.passes.PassResult(model, modified=bool(chosen))

    def _rule(self, node: ir.Node) -> OpRule | None:
        if node.domain not in ("", "ai.onnx"):
            return None
        rules = self.wide_rules if node.name in self.wide_nodes else self.rules
        return next((rule for rule in rules if _matches(rule, node)), None)

    def _candidate(self, node: ir.Node) -> Decision | None:
        """The decision for one node taken by itself, or None with the reason remembered."""
        rule = self._rule(node)
        if rule is None:
            if node.op_type in _MULTIPLIES:
                skip(node, "has no integer kernel on this target")
            return None
        # `only_ops` names kernels with MACs; what follows them follows.
        only = self.only_ops if rule.role == "compute" else ()
        excluded = out_of_scope(node, exclude_nodes=self.exclude_nodes, exclude_ops=self.exclude_ops, only_ops=only)
        several = "has several outputs" if len(node.outputs) > 1 else None
        searched = "was measured to be better off in float" if node.name in self.float_nodes else None
        decision = excluded or searched or several or why_float(node) or operands_of(node, rule)
        if isinstance(decision, str):
            skip(node, decision)
            return None
        decision = _reduced(decision) if matches(node, self.reduce_range_nodes) else decision
        # A fixed range is not fitted to the clamp, so saturation cannot do its work.
        fitted = rule.role != "carry" and not isinstance(rule.outputs, Fixed)
        clamp = clamp_behind(node) if fitted else None
        ceiling = ceiling_behind((clamp or node).outputs[0]) if fitted else None
        return replace(decision, clamp=clamp, ceiling=ceiling, output=(ceiling or clamp or node).outputs[0])


def nothing_to_do(model: ir.Model) -> ModelError:
    """The error of a model of which nothing runs in integers: why, most frequent reason first."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    reasons = Counter(f"{node.op_type} {why}" for node in nodes if (why := why_skipped(node)) is not None)
    told = "; ".join(reason for reason, _ in reasons.most_common(3))
    return ModelError(
        f"graph {model.graph.name!r}",
        "has no operator that runs in integers on this target" + (f" ({told})" if told else ""),
        remedy="Pack it as it is with --scheme float, or see `edgec targets NAME` for what the target quantizes",
    )


def _matches(rule: OpRule, node: ir.Node) -> bool:
    return node.op_type in rule.ops and (rule.only != "depthwise" or _is_depthwise(node))


def _is_depthwise(node: ir.Node) -> bool:
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    group = node.attributes.get_int("group", 1)
    return group > 1 and weight is not None and weight.shape is not None and tuple(weight.shape[:2]) == (group, 1)


def _reduced(decision: Decision) -> Decision:
    """With 7-bit weights, where they are int8: no sum of two products leaves 16 bits."""
    if decision.weight is None or decision.weight[1].dtype != "int8":
        return decision
    index, spec = decision.weight
    return replace(decision, weight=(index, replace(spec, reduce_range=True)))


def _supported(candidates: dict[ir.Node, Decision]) -> dict[ir.Node, Decision]:
    """All compute candidates, and the greatest self-supporting set of follow and carry candidates."""
    chosen = dict(candidates)
    while True:
        written = {decision.output for decision in chosen.values() if decision.output is not None}
        read = {node.inputs[k] for node, decision in chosen.items() for k in decision.activations}
        wanted = {
            node.inputs[k]
            for node, decision in chosen.items()
            if decision.rule.role == "compute"
            for k in decision.activations
        }
        dropped = []
        for node, decision in chosen.items():
            if decision.rule.role == "compute":
                continue
            operands = [node.inputs[k] for k in decision.activations]
            available = decision.rule.quantize_before or all(value in written or value in wanted for value in operands)
            if not available:
                dropped.append((node, "an operand is float"))
            elif decision.output not in read:
                dropped.append((node, "nobody reads its result as an integer"))
        if not dropped:
            return {node: _settle(decision, read) for node, decision in chosen.items()}
        for node, reason in dropped:
            skip(node, reason)
            del chosen[node]


def _settle(decision: Decision, read: set[ir.Value | None]) -> Decision:
    """A kernel that can write float does so unless an integer reader asks."""
    if decision.rule.output == "optional" and decision.output not in read:
        return replace(decision, output=None, clamp=None, ceiling=None)
    return decision
