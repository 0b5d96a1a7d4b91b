"""Weight spread: channels of very different size share a scale of one weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....passes.spec import PerAxis
from ..case import Case, Site, Weight, alive_of, robust_ratio
from ..changes import float_weights
from ..laboratory import Change
from .base import LOST_BITS

__all__ = ["WeightSpread", "input_axis", "output_axis"]


class WeightSpread:
    """Output channels under one scale per tensor, or input channels under one scale per output channel."""

    name = "weight spread"
    meaning = "channels of very different size share a scale of a weight, and the small ones are left a few codes"

    def sites(self, case: Case) -> Sequence[Site]:
        found = [site for weight in case.weights() if (site := _site(weight)) is not None]
        return sorted(found, key=lambda site: -site.severity)

    def absent(self, case: Case, sites: Sequence[Site]) -> Change:
        """These weights unrounded."""
        del case
        return float_weights({name for site in sites for name in site.nodes})


def _site(weight: Weight) -> Site | None:
    """The wider of the spreads that share a scale."""
    x = np.abs(weight.array)
    granularity = weight.spec.granularity
    out = output_axis(weight)
    inner = input_axis(weight, out)
    spreads = []
    if not isinstance(granularity, PerAxis):
        spreads.append(("output", _largest(x, out)))
    if inner is not None:
        spreads.append(("input", _largest(x, inner)))
    ratio, kind, channel = max(
        ((_spread(magnitudes), kind, int(magnitudes.argmax())) for kind, magnitudes in spreads), default=(1.0, "", 0)
    )
    if ratio < LOST_BITS:
        return None
    per = "channel" if isinstance(granularity, PerAxis) else "tensor"
    return Site(
        name=str(weight.value.name),
        severity=ratio,
        evidence=f"{kind} channel {channel} is {ratio:.0f} times the smaller half; one scale per {per} covers both",
        nodes=(str(weight.node.name),),
    )


def _spread(magnitudes: np.ndarray) -> float:
    """Largest over the lower quartile of the channels alive: half of them may be large."""
    alive = alive_of(magnitudes)
    if alive.size < 4:
        return robust_ratio(magnitudes)[0]
    return float(alive.max() / np.quantile(alive, 0.25))


def output_axis(weight: Weight) -> int:
    """The axis of output channels."""
    match weight.node.op_type:
        case "Conv":
            return 0
        case "ConvTranspose":
            return 1
        case "Gemm":
            return 0 if weight.node.attributes.get_int("transB", 0) else 1
    return weight.array.ndim - 1


def input_axis(weight: Weight, out: int) -> int | None:
    """The axis of input channels; None for depthwise, which has one per output channel."""
    axis = weight.array.ndim - 2 if weight.node.op_type == "MatMul" else 1 - out
    return axis if weight.array.shape[axis] > 1 else None


def _largest(x: np.ndarray, axis: int) -> np.ndarray:
    return np.asarray(x.max(axis=tuple(k for k in range(x.ndim) if k != axis), initial=0.0))
