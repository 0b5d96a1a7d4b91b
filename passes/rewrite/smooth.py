"""SmoothQuant: move what is hard to quantize from activations into weights.

G. Xiao et al., "SmoothQuant" (2022, arXiv 2211.10438): X W = (X diag(s)^-1) (diag(s) W), eq. 3, with
s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), eq. 4; max|W_j| over all layers that read X (query, key and value share
one s). diag(s)^-1 is folded into what wrote X: a normalization, a product with a constant, a linear layer, also
behind activations and movers that scale (see `channels`). Whoever else reads X, as the residual stream of a post-norm
encoder does, reads it multiplied by s again.

Exact in real numbers; in float32 within a few ulp.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import add_initializer, fresh_name, insert_after, rewire, value_names
from ..observe.statistics import Extremes, Need, Range, observation_of
from ..spec import PerAxis
from .channels import Channels, Scaled, trace_channels
from .rescale import rescale
from .smoothing import Site, search_alpha, smoothing_factors

__all__ = ["SmoothQuant"]

_log = logging.getLogger(__name__)

_DONE = "edgec.smoothed"


@dataclass(frozen=True, kw_only=True)
class SmoothQuant(Pass):
    """Divide activations by s and multiply the weights that read them.

    Attributes:
        alpha: How far the difficulty moves to the weights, in [0, 1]; None searches it per site.
        activation_bits, weight_bits: What is quantized to, for the search.
        per_channel: Whether weights have a scale per output channel, for the search.
    """

    alpha: float | None = None
    activation_bits: int = 8
    weight_bits: int = 8
    per_channel: bool = True

    @property
    def invalidates(self) -> bool:
        """Divided activations have other ranges."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        channels = trace_channels(model, norms=True)
        readers = [each for site in _sites(channels) for each in site]
        return tuple({need.value: need for need in map(_need, readers)}.values())

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        channels = trace_channels(model, norms=True)
        s = np.ones(channels.count)
        for readers in _sites(channels):
            site = _site(readers)
            if site is None:
                continue
            alpha = self.alpha
            if alpha is None:
                alpha = search_alpha(
                    site,
                    activation_bits=self.activation_bits,
                    weight_bits=self.weight_bits,
                    per_channel=self.per_channel,
                )
            _log.debug("%s: alpha %s", readers[0].layer.node.name, alpha)
            for each in readers:
                each.layer.node.meta[_DONE] = True
            if alpha is not None:
                s[site.labels] = smoothing_factors(site, alpha)
        modified = _restore(model.graph, channels, s)
        modified |= rescale(model.graph, channels, s, "smoothed")
        return ir.passes.PassResult(model, modified=modified)


def _need(reader: Scaled) -> Need:
    x = reader.layer.node.inputs[0]
    assert x is not None
    return Need(value=str(x.name), statistic=Extremes(granularity=PerAxis(axis=reader.layer.channel_axis)))


def _sites(channels: Channels) -> Iterator[list[Scaled]]:
    """Layers that read the same channels, all free to be scaled and not smoothed before."""
    free = _free(channels)
    sites: list[tuple[set[int], list[Scaled]]] = []
    for each in channels.layers:
        x = each.layer.node.inputs[0]
        if x is None or x.shape is None or x.is_graph_input() or not free[each.columns].all():
            continue
        labels, readers = set(each.columns.reshape(-1).tolist()), [each]
        for site in [site for site in sites if site[0] & labels]:
            sites.remove(site)
            labels |= site[0]
            readers = [*site[1], *readers]
        sites.append((labels, readers))
    for _, readers in sites:
        if not any(_DONE in each.layer.node.meta for each in readers):
            yield readers


def _free(channels: Channels) -> np.ndarray:
    """Which labels may be scaled; bool, shape (count,).

    A value with foreign readers can be restored for them by one product. Behind a normalization, which computes in
    float, that is cheap; between integer kernels it is not worth it.
    """
    free = np.ones(channels.count, bool)
    free[0] = False
    linear = np.zeros(channels.count, bool)
    for each in channels.layers:
        linear[each.rows] = True
    for value in channels.foreign:
        labels = channels.values[value]
        free[labels[linear[labels]]] = False
    return free


def _site(readers: Sequence[Scaled]) -> Site | None:
    """What was observed of the channels and the weights that read them, or None when it was not."""
    labels = np.unique(np.concatenate([each.columns.reshape(-1) for each in readers]))
    low, high = np.zeros(labels.size), np.zeros(labels.size)
    weights = []
    for each in readers:
        x = each.layer.node.inputs[0]
        assert x is not None
        observed = observation_of(x, _need(each).statistic)
        if not isinstance(observed, Range):
            return None
        columns = np.searchsorted(labels, each.columns)
        if observed.low.size != columns.size or not np.isfinite(observed.low + observed.high).all():
            return None
        np.minimum.at(low, columns.reshape(-1), observed.low)
        np.maximum.at(high, columns.reshape(-1), observed.high)
        weights.append((each.layer.weight, columns))
    return Site(labels=labels, low=low, high=high, weights=tuple(weights))


def _restore(graph: ir.Graph, channels: Channels, s: np.ndarray) -> bool:
    """Multiply values by their factors again for the readers that do not scale."""
    taken = value_names(graph) | {node.name for node in graph if node.name}
    modified = False
    for value, uses in channels.foreign.items():
        factors = s[channels.values[value]]
        if np.all(factors == 1.0):
            continue
        name = fresh_name(f"{value.name}_restored", taken)
        scale = add_initializer(graph, fresh_name(f"{name}_by", taken), factors.astype(np.float32))
        node = ir.node("Mul", [value, scale], name=name)
        restored = node.outputs[0]
        restored.name, restored.type, restored.shape = name, value.type, value.shape
        insert_after(graph, value, (node,))
        rewire(uses, restored)
        modified = True
    return modified
