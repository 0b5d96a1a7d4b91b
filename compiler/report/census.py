"""Counts, while passes run, which nodes end up in integers: an observer of the pipeline."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from ...passes.base import Pass
from ...passes.edit import is_constant, why_skipped
from ...passes.quantize.decide import DecideQuantization
from ...passes.quantize.decision import decided_nodes
from ...passes.quantize.dynamic import DynamicQuantization
from ...passes.weight_only.compact_weights import CompactWeights
from ...passes.weight_only.half_weights import HalfWeights
from ..pipeline import PassReport
from ..planning.macs import macs_of

__all__ = ["Census", "grouped"]


@dataclass(kw_only=True, slots=True)
class Census:
    """What the passes decided.

    Attributes:
        computing: Operator type → nodes with MACs of their own that run in integers.
        following: Operator type → nodes without, that run in integers because their neighbours do.
        without_kernel: Operator type → float nodes without MACs that the target has no rule for.
        weights: Weights stored as integers for kernels that stay float.
    """

    computing: Counter[str] = field(default_factory=Counter)
    following: Counter[str] = field(default_factory=Counter)
    without_kernel: Counter[str] = field(default_factory=Counter)
    weights: int = 0
    _products: int = 0
    _expanded: int = 0

    def before(self, each: Pass, model: ir.Model) -> None:
        if isinstance(each, DynamicQuantization):
            self._products = _products(model)
        if isinstance(each, CompactWeights | HalfWeights):
            self._expanded = _expanded(model)

    def after(self, each: Pass, model: ir.Model, report: PassReport) -> None:
        del report
        match each:
            case DecideQuantization():
                self.clear()  # a search runs it again; the last one ships
                self.count_decided(model)
            case DynamicQuantization():
                self.computing["MatMul"] += _products(model) - self._products
            case CompactWeights() | HalfWeights():
                self.weights += _expanded(model) - self._expanded

    def clear(self) -> None:
        """Forget what was counted."""
        for counter in (self.computing, self.following, self.without_kernel):
            counter.clear()
        self.weights = 0

    def count_decided(self, model: ir.Model) -> None:
        """Count what `DecideQuantization` decided, and what it left out for want of a rule."""
        decided = dict(decided_nodes(model.graph))
        clamps = {clamp for decision in decided.values() for clamp in (decision.clamp, decision.ceiling)}
        for node, decision in decided.items():
            computes = decision.rule.role == "compute" or macs_of(node)
            (self.computing if computes else self.following)[node.op_type] += 1
        for node in model.graph:
            float_result = any(value.dtype == ir.DataType.FLOAT for value in node.outputs)
            if float_result and node not in decided and node not in clamps and not _excused(node):
                self.without_kernel[node.op_type] += 1

    def to_json(self) -> dict[str, object]:
        """The counts as JSON values."""
        return {
            "computing": dict(self.computing),
            "following": dict(self.following),
            "without_kernel": dict(self.without_kernel),
            "weights": self.weights,
        }


def grouped(skipped: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Reasons and the nodes they hold for, most nodes first; names inside a reason do not set it apart."""
    groups: dict[str, list[str]] = {}
    for node, reason in skipped.items():
        groups.setdefault(re.sub(r"'[^']*' ", "", reason), []).append(node)
    return sorted(groups.items(), key=lambda item: -len(item[1]))


def _excused(node: ir.Node) -> bool:
    """Whether a reason is known: its own, that of the node it clamps, or that of the nodes inside it."""
    if node.op_type in ("If", "Loop", "Scan"):
        return True
    producer = node.inputs[0].producer() if node.op_type in ("Relu", "Clip") and node.inputs[0] is not None else None
    return any(each is not None and why_skipped(each) is not None for each in (node, producer))


def _expanded(model: ir.Model) -> int:
    """Nodes that make a weight of a constant in fewer bits when the model is loaded."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    makers = (node for node in nodes if node.op_type in ("Cast", "DequantizeLinear"))
    return sum(all(value is None or is_constant(value) for value in node.inputs) for node in makers)


def _products(model: ir.Model) -> int:
    return sum(node.op_type == "MatMulInteger" for node in model.graph)
