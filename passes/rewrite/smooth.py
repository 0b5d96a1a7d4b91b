"""SmoothQuant: move what is hard to quantize from activations into weights.

G. Xiao et al., "SmoothQuant" (2022, arXiv 2211.10438): X W = (X diag(s)^-1) (diag(s) W), eq. 3, with
s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), eq. 4; max|W_j| over all layers that read X (query, key and value share
one s). diag(s)^-1 is folded into what wrote X: a normalization, a product with a constant, a linear layer, also
behind activations and movers that scale (see `trace`). Whoever else reads X, as the residual stream of a post-norm
encoder does, reads it multiplied by s again. Where nothing can be folded and the target computes in float anyway (a
Gelu), one product with 1 / s is put in front of the layer.

Exact in real numbers; in float32 within a few ulp.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..observe.statistics import Extremes, Need, Range, observation_of
from ..spec import PerAxis
from .channels import Scaled
from .fold_factors import fold_factors, insert_factors
from .sites import foldable_sites, mark_done, unfoldable_sites
from .smoothing import Site, search_alpha, smoothing_factors
from .trace import trace_channels

__all__ = ["SmoothQuant"]

_log = logging.getLogger(__name__)

# What its constants and the layers it saw are marked with.
_SMOOTHED = "smoothed"


@dataclass(frozen=True, kw_only=True)
class SmoothQuant(Pass):
    """Divide activations by s and multiply the weights that read them.

    Attributes:
        alpha: How far the difficulty moves to the weights, in [0, 1]; None searches it per site.
        insert: Put a product in front of a matrix product where 1 / s cannot be folded.
        activation_bits, weight_bits: What is quantized to, for the search.
        per_channel: Whether weights have a scale per output channel, for the search.
    """

    alpha: float | None = None
    insert: bool = True
    activation_bits: int = 8
    weight_bits: int = 8
    per_channel: bool = True

    @property
    def invalidates(self) -> bool:
        """Divided activations have other ranges."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        channels = trace_channels(model, norms=True)
        sites = [*foldable_sites(channels, _SMOOTHED), *(unfoldable_sites(channels, _SMOOTHED) if self.insert else ())]
        return tuple({need.value: need for site in sites for need in map(_need, site)}.values())

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        channels = trace_channels(model, norms=True)
        s = np.ones(channels.count)
        inserted = list(unfoldable_sites(channels, _SMOOTHED)) if self.insert else []
        for readers in foldable_sites(channels, _SMOOTHED):
            site = _site([(each, each.columns) for each in readers])
            if site is not None:
                s[site.labels] = self._factors(site, readers)
        modified = fold_factors(model.graph, channels, s, _SMOOTHED)
        for readers in inserted:
            channel = np.arange(readers[0].layer.inputs)[None]
            site = _site([(each, channel) for each in readers])
            if site is not None:
                modified |= insert_factors(model.graph, readers, self._factors(site, readers), _SMOOTHED)
        return ir.passes.PassResult(model, modified=modified)

    def _factors(self, site: Site, readers: Sequence[Scaled]) -> np.ndarray:
        """Factors of a site; all 1 where smoothing does not pay."""
        for each in readers:
            mark_done(each, _SMOOTHED)
        alpha = self.alpha
        if alpha is None:
            alpha = search_alpha(
                site,
                activation_bits=self.activation_bits,
                weight_bits=self.weight_bits,
                per_channel=self.per_channel,
            )
        _log.debug("%s: alpha %s", readers[0].layer.node.name, alpha)
        return np.ones(site.low.shape) if alpha is None else smoothing_factors(site, alpha)


def _need(reader: Scaled) -> Need:
    x = reader.layer.node.inputs[0]
    assert x is not None
    return Need(value=str(x.name), statistic=Extremes(granularity=PerAxis(axis=reader.layer.channel_axis)))


def _site(readers: Sequence[tuple[Scaled, np.ndarray]]) -> Site | None:
    """What was observed of the channels and the weights that read them, or None when it was not."""
    labels = np.unique(np.concatenate([columns.reshape(-1) for _, columns in readers]))
    low, high = np.zeros(labels.size), np.zeros(labels.size)
    weights = []
    for each, of_reader in readers:
        x = each.layer.node.inputs[0]
        assert x is not None
        observed = observation_of(x, _need(each).statistic)
        if not isinstance(observed, Range):
            return None
        columns = np.searchsorted(labels, of_reader)
        if observed.low.size != columns.size or not np.isfinite(observed.low + observed.high).all():
            return None
        np.minimum.at(low, columns.reshape(-1), observed.low)
        np.maximum.at(high, columns.reshape(-1), observed.high)
        weights.append((each.layer.weight, columns))
    return Site(labels=labels, low=low, high=high, weights=tuple(weights))
