"""What is known of every quantized value: its ranges per channel, its histogram, and the codes it was given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...passes.base import Pass
from ...passes.observe.statistics import Counts, Extremes, Histogram, Need, Range
from ...passes.quantize.decision import decided_values, params_of
from ...passes.spec import PerAxis, PerTensor, QuantParams
from ..samples import Samples
from .laboratory import Laboratory

__all__ = ["Portrait", "channel_axis", "portraits", "quantile", "rounding_noise"]

# Elements counted of each sample: enough for a share of one in a thousand, small beside an image.
_ELEMENTS = 1 << 14


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Portrait:
    """One quantized value over samples.

    Attributes:
        name: The value.
        params: The params it was given.
        low, high: Smallest and largest value seen.
        axis: Its channels; None where that is not known.
        lows, highs: The same per channel; shape () where the axis is not known.
        histogram: How often each value occurs.
    """

    name: str
    params: QuantParams
    low: float
    high: float
    axis: int | None
    lows: np.ndarray
    highs: np.ndarray
    histogram: Histogram

    @property
    def magnitudes(self) -> np.ndarray:
        """Largest |x| of each channel."""
        return np.asarray(np.maximum(np.abs(self.lows), np.abs(self.highs)))

    @property
    def magnitude(self) -> float:
        """Largest |x|."""
        return max(abs(self.low), abs(self.high))


def portraits(
    laboratory: Laboratory, passes: tuple[Pass, ...], decided: ir.Model, samples: Samples | None = None
) -> dict[str, Portrait]:
    """Portraits of all values that carry Q/DQ with one scale, by name, in graph order.

    Args:
        laboratory: Observes.
        passes: The recipe.
        decided: What `Laboratory.decided` returned for it.
        samples: Samples to observe; None takes the calibration samples.
    """
    values = [value for value, _ in decided_values(decided.graph)]
    axes = {str(value.name): channel_axis(value) for value in values}
    asked = {
        name: (
            Need(value=name, statistic=Extremes(granularity=PerTensor() if axis is None else PerAxis(axis=axis))),
            Need(value=name, statistic=Counts(elements=_ELEMENTS)),
        )
        for name, axis in axes.items()
    }
    seen = laboratory.observations(passes, [need for needs in asked.values() for need in needs], samples)
    found = {}
    for value in values:
        name, params = str(value.name), params_of(value)
        extremes, counted = (seen[need] for need in asked[name])
        assert isinstance(extremes, Range)
        assert isinstance(counted, Histogram)
        if params is None or params.scale.size != 1:
            continue
        found[name] = Portrait(
            name=name,
            params=params,
            low=float(extremes.low.min(initial=0.0)),
            high=float(extremes.high.max(initial=0.0)),
            axis=axes[name],
            lows=extremes.low,
            highs=extremes.high,
            histogram=counted,
        )
    return found


def channel_axis(value: ir.Value) -> int | None:
    """Axis of the channels: 1 beside convolutions and in images, else the last; None where the rank is unknown."""
    rank = None if value.shape is None else len(value.shape)
    if rank is None or rank < 2:
        return None
    neighbours = [node for node, _ in value.uses()]
    producer = value.producer()
    if producer is not None:
        neighbours.append(producer)
    return 1 if rank == 4 or any(node.op_type == "Conv" for node in neighbours) else rank - 1


def rounding_noise(portrait: Portrait | None) -> float:
    """Noise over signal of rounding a value: (s² / 12) / E[x²], uniform over a step; 0 for what is not known."""
    if portrait is None:
        return 0.0
    edges, counts = portrait.histogram.edges, portrait.histogram.counts
    middle = (edges[:-1] + edges[1:]) / 2
    power = float((np.square(middle) * counts).sum() / max(1, int(counts.sum())))
    return float(np.square(portrait.params.scale).mean() / 12 / power) if power else 0.0


def quantile(histogram: Histogram, share: float) -> float:
    """|x| below which this share of the elements lies, to the width of a bin."""
    edges = np.maximum(np.abs(histogram.edges[:-1]), np.abs(histogram.edges[1:]))
    order = np.argsort(edges)
    total = np.cumsum(histogram.counts[order])
    if not total.size or not total[-1]:
        return 0.0
    return float(edges[order][np.searchsorted(total, share * total[-1])])
