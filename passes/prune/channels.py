"""Leave channels out of a graph, or heads of attention: it becomes smaller, and stays an ordinary graph.

Groups of channels that can only go together are found by following them (see `follow`). For a budget, a share of the
multiply-accumulates or of the weights, groups go whose loss is small for what they save: as measured on samples, by
what the layers that read them lose once their other weights made up for it (see `eliminate`), or by magnitude. Widths
stay a multiple of what the target's kernels like.

1. Conv, ConvTranspose, Gemm and MatMul with constants of their own, through everything that hands channels on: sums of
   residual layers, Concat, Split, depthwise Conv, normalizations per channel, reshapes, channel shuffles.
2. `heads`: groups that a Reshape makes into heads; heads that share keys and values go together.

A layer whose channels stay is remarked on, with the reason. Scope: the main graph.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_constant, is_op, remark, sole_consumer, value_names
from ..observe.statistics import Gram, Mean, Means, Need, Products, Statistic, observation_of
from ..outside import outside
from ..scope import matches
from ..weight_only.grams import multiplied_with
from .choose import Choice, choose
from .costs import coverage, positions
from .edits import set_constant
from .eliminate import Eliminator
from .follow import follow
from .followed import Followed, Layer
from .groups import Groups, groups_of
from .pattern import read_share

__all__ = ["PruneChannels"]

_log = logging.getLogger(__name__)

_DONE = "edgec.pruned"
_SQUARES = Products()
_BUDGETS = ("macs", "parameters")
_MEASURES = ("reconstruction", "magnitude")


@dataclass(frozen=True, kw_only=True)
class PruneChannels(Pass):
    """Leave out channels, or heads, for a budget.

    Attributes:
        share: Of the budget that is to go, `30%` or `0.3`.
        budget: `macs` or `parameters`, of products with constants.
        by: `reconstruction`, what is lost on samples once others made up for it, or `magnitude`, of weights alone.
        heads: Heads of attention go, whole ones; else channels that are none.
        multiple: Widths stay a multiple of this.
        narrowest: Layers that write as many channels go on doing so: kernels are no faster with fewer.
        least: Share of every width that stays at least.
        max_columns: A layer with more columns than this goes by magnitude, and makes up for nothing.
        exclude_nodes: Regular expressions over names of layers that keep what they write.
    """

    share: str
    budget: str = "macs"
    by: str = "reconstruction"
    heads: bool = False
    multiple: int = 8
    narrowest: int = 1
    least: float = 0.1
    max_columns: int = 8192
    exclude_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        read_share(self.share)
        if self.budget not in _BUDGETS:
            raise ValueError(f"budget: {self.budget!r} is not one of {', '.join(_BUDGETS)}")
        if self.by not in _MEASURES:
            raise ValueError(f"by: {self.by!r} is not one of {', '.join(_MEASURES)}")
        if self.multiple < 1:
            raise ValueError(f"multiple: {self.multiple} is not positive")

    @property
    def invalidates(self) -> bool:
        """What is left computes other values."""
        return True

    @property
    def _mark(self) -> str:
        return f"{_DONE}.{'heads' if self.heads else 'channels'}"

    def needs(self, model: ir.Model) -> Sequence[Need]:
        if self.by != "reconstruction" or self._mark in model.graph.meta:
            return ()
        groups = self._groups(follow(model))
        found: dict[Need, None] = {}
        for layer in _readers(groups):
            need = _gram_of(layer)
            if self._is_observable(layer) and isinstance(need, Need):
                found[need] = None
                if _takes_bias(layer):
                    found[Need(value=need.value, statistic=_means_of(layer))] = None
                if (total := _sum_behind(layer)) is not None:
                    found[Need(value=str(total.name), statistic=_SQUARES)] = None
        return tuple(found)

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        if self._mark in model.graph.meta:
            return ir.passes.PassResult(model, modified=False)
        found = follow(model)
        groups = self._groups(found)
        for layer in groups.layers:
            reason = groups.held.get(str(layer.linear.node.name))
            if reason and not layer.depthwise and not self.heads:
                remark(layer.linear.node, f"keeps its channels: {reason}")
        readers = set(map(id, _readers(groups)))
        with outside().stage("prune", len(readers)) as advance:
            eliminators: list[Eliminator | None] = []
            for layer in groups.layers:
                eliminators.append(self._eliminator(layer) if id(layer) in readers else None)
                advance(int(id(layer) in readers))
            choice = self._choose(groups, eliminators)
        model.graph.meta[self._mark] = True
        if choice.keep.all():
            return ir.passes.PassResult(model, modified=False)
        _log.info("%s: %.4g of %.4g %s are left", self.name, choice.left, choice.cost, self.budget)
        _shrink(model, found, groups, eliminators, choice)
        return ir.passes.PassResult(model, modified=True)

    def _groups(self, found: Followed) -> Groups:
        """What may go: heads, or what is none; not what is excluded by name."""
        for layer in found.layers:
            if matches(layer.linear.node, self.exclude_nodes):
                found.labels.hold(layer.rows, "it is excluded by name")
        groups = groups_of(found)
        families = tuple(family for family in groups.families if family.heads == self.heads)
        return Groups(roots=groups.roots, families=families, layers=groups.layers, held=groups.held)

    def _choose(self, groups: Groups, eliminators: Sequence[Eliminator | None]) -> Choice:
        return choose(
            groups.families,
            groups.layers,
            eliminators,
            [1.0 if self.budget == "parameters" else float(positions(layer.linear.node)) for layer in groups.layers],
            int(groups.roots.size),
            share=read_share(self.share),
            multiple=1 if self.heads else self.multiple,
            least=self.least,
            narrowest=self.narrowest,
            written=self.by == "magnitude",
        )

    def _is_observable(self, layer: Layer) -> bool:
        return bool(layer.linear.inputs * layer.linear.weight.shape[-1] <= self.max_columns)

    def _eliminator(self, layer: Layer) -> Eliminator:
        weight, need = layer.linear.weight, _gram_of(layer)
        W = weight.reshape(*weight.shape[:2], -1)
        if self.by != "reconstruction":
            return Eliminator(W, None)
        node = layer.linear.node
        reason = need if isinstance(need, str) else "has too many columns"
        if isinstance(need, Need) and self._is_observable(layer):
            value = node.inputs[0]
            observed = None if value is None else observation_of(value, need.statistic)
            if isinstance(observed, Gram) and observed.matrix.shape[-1] == W.shape[-1]:
                if np.isfinite(observed.matrix).all():
                    rows, energy = max(observed.rows, 1), _energy_behind(layer)
                    H, energy = observed.matrix / rows, None if energy is None else energy / rows
                    means = None if value is None else observation_of(value, _means_of(layer))
                    spread = None
                    if isinstance(means, Mean) and _takes_bias(layer):
                        spread = _column_means(layer, need.statistic, means.mean)
                    return Eliminator(W, H, spread, energy=energy)
                reason = "reads values that are not finite"
            else:
                reason = "was not observed"
        remark(node, f"{reason}: nothing makes up for channels it loses")
        return Eliminator(W, None)


def _readers(groups: Groups) -> list[Layer]:
    """Layers that read what may go."""
    going = np.concatenate([family.roots for family in groups.families] or [np.zeros(0, np.int64)])
    return [layer for layer in groups.layers if np.isin(layer.columns, going).any()]


def _gram_of(layer: Layer) -> Need | str:
    """What to observe for a layer; why nothing can be."""
    node = layer.linear.node
    if node.op_type == "ConvTranspose":
        return "is a ConvTranspose"
    found = multiplied_with(node, 1)
    if not isinstance(found, tuple):
        return found or "multiplies nothing"
    return Need(value=str(found[0].name), statistic=found[1])


def _sum_behind(layer: Layer) -> ir.Value | None:
    """The sum that what a layer writes ends in, and nothing else: that of a residual layer."""
    value = layer.linear.node.outputs[0]
    consumer = sole_consumer(value)
    if consumer is None or not is_op(consumer, "Add") or any(is_constant(each) for each in consumer.inputs):
        return None
    return consumer.outputs[0] if value.shape is not None and len(value.shape) >= 2 else None


def _energy_behind(layer: Layer) -> float | None:
    """Squares of that sum, over all its elements; None where there is none."""
    total = _sum_behind(layer)
    observed = None if total is None else observation_of(total, _SQUARES)
    return float(np.trace(observed.matrix, axis1=-2, axis2=-1).sum()) if isinstance(observed, Gram) else None


def _takes_bias(layer: Layer) -> bool:
    """Whether a constant is added to each of what a layer writes, or could be."""
    node, bias = layer.linear.node, layer.linear.bias
    if node.op_type == "MatMul":
        return False
    if node.op_type == "Gemm" and (
        node.attributes.get_float("beta", 1.0) != 1 or node.attributes.get_float("alpha", 1.0) != 1
    ):
        return False
    return bias is None or bias.shape in ((layer.rows.size,), (1, layer.rows.size))


def _means_of(layer: Layer) -> Means:
    return Means(axis=layer.linear.channel_axis)


def _column_means(layer: Layer, statistic: Statistic, means: np.ndarray) -> np.ndarray:
    """Means of the columns a layer multiplies with, (groups, columns): a tap beside the image reads 0."""
    groups, inputs = layer.linear.groups, layer.linear.inputs
    cover = np.ones(1)
    value = layer.linear.node.inputs[0]
    if (
        isinstance(statistic, Products)
        and statistic.window is not None
        and value is not None
        and value.shape is not None
    ):
        cover = coverage(statistic.window, tuple(value.shape)[2:])
    return (means.reshape(groups, inputs, 1) * cover).reshape(groups, -1)


def _shrink(
    model: ir.Model, found: Followed, groups: Groups, eliminators: Sequence[Eliminator | None], choice: Choice
) -> None:
    """Write the weights that made up, then leave out what goes, and tell the values."""
    taken = value_names(model.graph)
    for layer, eliminator in zip(groups.layers, eliminators, strict=True):
        if eliminator is not None and not choice.keep[layer.columns].all():
            made = eliminator.W.reshape(layer.linear.weight.shape).astype(np.float32)
            _add_to_bias(layer, eliminator.offset, taken)
            set_constant(layer.linear.node, 1, layer.linear.stored(made), taken)
    stays = choice.keep[groups.roots]
    for edit in found.edits:
        edit.apply(stays, taken)
    for value, track in found.tracks.items():
        if value.shape is not None and not stays[track.labels].all():
            dims = list(value.shape)
            dims[track.axis] = int(stays[track.labels].sum())
            value.shape = ir.Shape(dims)


def _add_to_bias(layer: Layer, offset: np.ndarray | None, taken: set[str]) -> None:
    """Let a bias make up for means; where a layer has none it gets one."""
    node, bias = layer.linear.node, layer.linear.bias
    if offset is None:
        return
    if bias is None and len(node.inputs) < 3:
        node.resize_inputs(3)
    made = offset if bias is None else bias + offset.reshape(bias.shape)
    set_constant(node, 2, made.astype(np.float32), taken)
