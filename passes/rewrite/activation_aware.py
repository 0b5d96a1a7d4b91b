"""AWQ on a graph: scale the channels that layers of few-bit weights read (see `awq`).

W X = (W diag(s)) (diag(s)^-1 X). diag(s)^-1 is folded into what wrote X, as SmoothQuant folds it: the gain and offset
of a normalization, a product with a constant, the rows of a layer before, also through the product of a gated unit and
through attention, where heads that share their values share their s. Whoever else reads X reads it restored. Where
nothing takes the factor (a Gelu) one product is put in front of the layer.

Layers that read one X share one s, and the loss is summed up over what they write; AWQ's authors sum up behind the
attention or gated unit that holds them. A site where s costs a product at run time is scaled only if it gains by it.
None is, where what will round the weights would lose more than it does without.

Exact in real numbers; in float32 within a few ulp. Scope: MatMul and Gemm of the main graph; a site with any other
reader is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..base import Pass
from ..edit import is_op, remark
from ..observe.statistics import Gram, Mean, Means, Need, Products, observation_of
from ..scope import out_of_scope
from ..weight_only.blocks import BlockForm
from ..weight_only.methods import METHODS, SECOND_ORDER, blocks_by, clipped, weighted
from .awq import Energy, Reader, Rounded, energy_of, search_scales, share_kept
from .channels import Channels, Scaled
from .fold_factors import fold_factors, insert_factors
from .sites import foldable_sites, mark_done, unfoldable_sites
from .trace import trace_channels

__all__ = ["QUICK", "ActivationAware"]

_log = logging.getLogger(__name__)

# What its constants and the layers it saw are marked with.
_SCALED = "scaled"
_MAGNITUDES, _PRODUCTS = Means(axis=-1, magnitudes=True), Products()
# What a site must gain to be worth a product at run time.
_WORTH = 0.9
# Rows of a weight that are rounded at each ratio; of a longer one every so many.
_ROWS = 512
# Methods that round some rows at every ratio in less time than the loss takes.
QUICK = ("nearest", "hqq", "weighted", "clipped")


@dataclass(frozen=True, kw_only=True)
class ActivationAware(Pass):
    """Divide activations by s and multiply the weights that read them, so that rounding these loses least.

    Attributes:
        bits, block_size, symmetric: What the weights will be stored in (see `BlockForm`).
        method: What rounds them, for the search: `nearest`, `hqq`, `weighted` or `clipped`, which take little time;
            `weighted` is the next to GPTQ.
        rounding: What rounds them in the end, which is asked whether a site is scaled at all; "" is `method`.
        insert: Put a product in front of a matrix product where 1 / s cannot be folded.
        max_columns: A layer that reads more channels is left alone: its Gram matrix has the square of them.
        exclude_nodes, exclude_ops, only_ops: Which weights stay float; rounding them loses nothing.
    """

    bits: int = 4
    block_size: int = 128
    symmetric: bool = True
    method: str = "nearest"
    rounding: str = ""
    insert: bool = True
    max_columns: int = 8192
    exclude_nodes: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    only_ops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        BlockForm(bits=self.bits, size=self.block_size)
        if self.method not in QUICK:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(QUICK)}")
        if self.rounding not in ("", *METHODS):
            raise ValueError(f"rounding: {self.rounding!r} is not one of {', '.join(METHODS)}")

    @property
    def invalidates(self) -> bool:
        """Divided activations have other statistics."""
        return True

    def needs(self, model: ir.Model) -> Sequence[Need]:
        channels = trace_channels(model, norms=True)
        sites = [*self._foldable(channels), *self._unfoldable(channels)]
        names = dict.fromkeys(_name(each) for site in sites for each in site)
        return [Need(value=name, statistic=each) for name in names for each in (_MAGNITUDES, _PRODUCTS)]

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        channels = trace_channels(model, norms=True)
        s = np.ones(channels.count)
        energies: dict[ir.Value, Energy] = {}
        inserted = list(self._unfoldable(channels))
        foreign = _labels_of(channels)
        for readers in list(self._foldable(channels)):
            labels = np.unique(np.concatenate([each.columns.reshape(-1) for each in readers]))
            columns = [np.searchsorted(labels, each.columns[0]) for each in readers]
            s[labels] = self._factors(readers, columns, energies, least=_WORTH if foreign[labels].any() else 1.0)
        modified = fold_factors(model.graph, channels, s, _SCALED)
        for readers in inserted:
            columns = [np.arange(readers[0].layer.inputs)] * len(readers)
            factors = self._factors(readers, columns, energies, least=_WORTH)
            modified |= insert_factors(model.graph, readers, factors, _SCALED)
        return ir.passes.PassResult(model, modified=modified)

    def _foldable(self, channels: Channels) -> Iterator[list[Scaled]]:
        return (site for site in foldable_sites(channels, _SCALED) if self._is_ours(site))

    def _unfoldable(self, channels: Channels) -> Iterator[list[Scaled]]:
        sites = unfoldable_sites(channels, _SCALED) if self.insert else ()
        return (site for site in sites if self._is_ours(site))

    def _is_ours(self, readers: Sequence[Scaled]) -> bool:
        """Whether a site is of matrix products, some of them with weights that will be rounded, and not too wide."""
        if not all(is_op(each.layer.node, "MatMul", "Gemm") for each in readers):
            return False
        wide = [each for each in readers if each.layer.inputs > self.max_columns]
        for each in wide:
            remark(
                each.layer.node,
                f"reads {each.layer.inputs} channels, more than {self.max_columns}: they are not scaled",
            )
        return not wide and any(self._is_rounded(each) for each in readers)

    def _is_rounded(self, each: Scaled) -> bool:
        scope = {"exclude_nodes": self.exclude_nodes, "exclude_ops": self.exclude_ops, "only_ops": self.only_ops}
        return out_of_scope(each.layer.node, **scope) is None

    def _searching(self, H: np.ndarray) -> Rounded:
        """How the search rounds weights whose inputs, before they are divided by s, have the Gram matrix H (K, K)."""
        form = BlockForm(bits=self.bits, size=self.block_size, symmetric=self.symmetric)
        quick = {"weighted": weighted, "clipped": clipped}.get(self.method)
        if quick is None:
            return lambda W, _: blocks_by(self.method, W, None, form).real
        return lambda W, s: quick(W, H / (s[:, None] * s), form).real

    def _rounding(self, H: np.ndarray) -> Rounded:
        """How they are rounded in the end."""
        form = BlockForm(bits=self.bits, size=self.block_size, symmetric=self.symmetric)
        method = self.rounding or self.method

        def rounded(W: np.ndarray, s: np.ndarray) -> np.ndarray:
            divided = (H / (s[:, None] * s))[None] if method in SECOND_ORDER else None
            return blocks_by(method, W, divided, form).real

        return rounded

    def _factors(
        self,
        readers: Sequence[Scaled],
        columns: Sequence[np.ndarray],
        energies: dict[ir.Value, Energy],
        *,
        least: float,
    ) -> np.ndarray:
        """Factors of a site by channel; all 1 where it was not observed, or scaling does not pay."""
        count = 1 + max(int(each.max()) for each in columns)
        total, met = np.zeros(count), np.zeros(count)
        found: list[Reader] = []
        whole: list[tuple[np.ndarray, np.ndarray, np.ndarray, Rounded]] = []
        for each, of_each in zip(readers, columns, strict=True):
            x = each.layer.node.inputs[0]
            assert x is not None
            mean, gram = observation_of(x, _MAGNITUDES), observation_of(x, _PRODUCTS)
            if not isinstance(mean, Mean) or not isinstance(gram, Gram) or not np.isfinite(gram.matrix).all():
                return np.ones(count)
            if x not in energies:
                energies[x] = energy_of(gram.matrix[0])
            np.add.at(total, of_each, mean.mean)
            np.add.at(met, of_each, 1.0)
            weight, H = each.layer.weight[0, :, :, 0], gram.matrix[0]
            rounded = self._is_rounded(each)
            found.append(
                Reader(
                    W=np.ascontiguousarray(weight[:: -(-weight.shape[0] // _ROWS)]),
                    columns=of_each,
                    energy=energies[x],
                    rounded=self._searching(H) if rounded else None,
                )
            )
            if rounded:
                whole.append((weight, of_each, H, self._rounding(H)))
        for each in readers:
            mark_done(each, _SCALED)
        s, share = search_scales(found, total / met)
        kept = share_kept(whole, s) if share < least else share
        _log.debug("%s: loss %.3g of what it was, %.3g in the search", readers[0].layer.node.name, kept, share)
        return s if kept < least else np.ones(count)


def _name(reader: Scaled) -> str:
    x = reader.layer.node.inputs[0]
    assert x is not None
    return str(x.name)


def _labels_of(channels: Channels) -> np.ndarray:
    """Which labels somebody reads who does not scale; bool, shape (count,)."""
    found = np.zeros(channels.count, bool)
    for value in channels.foreign:
        found[channels.values[value]] = True
    return found
