"""Take one mechanism of error out of a decided model: what an experiment changes before Q/DQ are inserted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from ...passes.quantize.decision import decided_nodes, decided_values, decision_of, params_of, set_decision, set_params
from ...passes.quantize.params import from_range
from ...passes.spec import PerAxis
from .laboratory import Change

__all__ = ["Bounds", "float_biases", "float_values", "float_weights", "only_born", "ranged", "together"]

_SOURCE = "edgec.source"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bounds:
    """The range a value is given: scalars, or one pair per index along `axis`."""

    low: np.ndarray
    high: np.ndarray
    axis: int | None = None


def ranged(bounds: Mapping[str, Bounds]) -> Change:
    """Give values other ranges; what shares their params follows, or becomes float where the axis is lost."""

    def change(model: ir.Model) -> None:
        values = {str(value.name): value for value, _ in decided_values(model.graph)}
        for name, given in bounds.items():
            value = values.get(name)
            old = None if value is None else params_of(value)
            if value is None or old is None:
                continue
            spec = old.spec if given.axis is None else replace(old.spec, granularity=PerAxis(axis=given.axis))
            new = from_range(spec, given.low, given.high)
            for other in values.values():
                if params_of(other) is not old or (other is not value and str(other.name) in bounds):
                    continue
                if given.axis is None or _fits(other, value, given.axis):
                    set_params(other, new)
                else:
                    other.meta.pop(_SOURCE, None)
            set_params(value, new)
        _respect_channels(model)

    return change


def float_values(names: Collection[str]) -> Change:
    """Leave values unrounded."""

    def change(model: ir.Model) -> None:
        for value, _ in tuple(decided_values(model.graph)):
            if value.name in names:
                value.meta.pop(_SOURCE)

    return change


def float_weights(nodes: Collection[str]) -> Change:
    """Leave the weights and biases of nodes unrounded."""

    def change(model: ir.Model) -> None:
        for node, decision in decided_nodes(model.graph):
            if node.name in nodes:
                set_decision(node, replace(decision, weight=None, bias=None))

    return change


def together(*changes: Change) -> Change:
    """One change after another."""

    def change(model: ir.Model) -> None:
        for each in changes:
            each(model)

    return change


def float_biases(nodes: Collection[str]) -> Change:
    """Leave the biases of nodes unrounded; their weights get the scales they would have without."""

    def change(model: ir.Model) -> None:
        for node, decision in decided_nodes(model.graph):
            if node.name in nodes:
                set_decision(node, replace(decision, bias=None))

    return change


def only_born(node: str | None, value: str | None) -> Change:
    """Keep what one node rounds (its weights) and one value (its result); all else is float."""

    def change(model: ir.Model) -> None:
        for each in model.graph:
            decision = decision_of(each)
            if decision is not None and each.name != node:
                set_decision(each, replace(decision, weight=None, bias=None))
        for each_value, _ in tuple(decided_values(model.graph)):
            if each_value.name != value:
                each_value.meta.pop(_SOURCE)

    return change


def _respect_channels(model: ir.Model) -> None:
    """What a scale per channel rules out: an int32 bias at s_x · s_w, and saturation doing a clamp's work."""
    for node, decision in decided_nodes(model.graph):
        if decision.bias is not None and any(_per_channel(node.inputs[k]) for k in decision.activations):
            decision = replace(decision, bias=None)
        if decision.clamp is not None and _per_channel(decision.output):
            decision = replace(decision, clamp=None)
        set_decision(node, decision)


def _per_channel(value: ir.Value | None) -> bool:
    params = None if value is None else params_of(value)
    return params is not None and params.scale.ndim > 0


def _fits(other: ir.Value, value: ir.Value, axis: int) -> bool:
    """Whether the axis means the same in both."""
    if other is value:
        return True
    if other.shape is None or value.shape is None or len(other.shape) != len(value.shape):
        return False
    return bool(other.shape[axis] == value.shape[axis])
