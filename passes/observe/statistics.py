"""What passes ask to know about a value (`Need`), and what was measured of it.

A need names one statistic; each statistic has the observation it ends in:

=========== =============== ==================================================================
asked       measured        who wants it
=========== =============== ==================================================================
`Extremes`  `Range`         scales by min-max and moving average; channel maxima for SmoothQuant and equalization
`Counts`    `Histogram`     scales by percentile, entropy, MSE, SQNR; coverage of ranges
`Means`     `Mean`          bias correction, high-bias absorption; of magnitudes AWQ
`Products`  `Gram`          second-order rounding (GPTQ), AWQ
=========== =============== ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from ..spec import Granularity, PerTensor

__all__ = [
    "Counts",
    "Extremes",
    "Gram",
    "Histogram",
    "Mean",
    "Means",
    "Need",
    "Observation",
    "Products",
    "Range",
    "Statistic",
    "Window",
    "forget_observations",
    "observation_of",
    "set_observation",
]

_OBSERVED = "edgec.observed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Extremes:
    """Smallest and largest value.

    Attributes:
        granularity: `PerTensor` or `PerAxis`.
        floor: A lower bound known from the graph (0 behind Relu); the minimum is then not measured.
        averaged: The mean over samples of each one's extremes, instead of the extremes of all.
    """

    granularity: Granularity = field(default_factory=PerTensor)
    floor: float | None = None
    averaged: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How often each value occurs, to 8 significant bits.

    Attributes:
        elements: At most about so many elements of each sample, evenly strided; None counts all.
    """

    elements: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """Mean over all elements of each index along `axis`.

    Attributes:
        axis: Whose indices are kept apart.
        magnitudes: Of |x| instead of x.
    """

    axis: int
    magnitudes: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """How a Conv reads its input: the attributes of the node, resolved (no auto_pad), one entry per spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    group: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Products:
    """XᵀX of the rows a node multiplies its weight with.

    Attributes:
        window: How a Conv cuts its rows out of the value; None takes the last axis as it is (MatMul, Gemm).
    """

    window: Window | None = None


Statistic: TypeAlias = Extremes | Counts | Means | Products


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Ask for one statistic of a value, by its name."""

    value: str
    statistic: Statistic


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Range:
    """Smallest and largest value seen over all samples; float32, shape () or (channels,)."""

    low: np.ndarray
    high: np.ndarray

    def merge(self, other: Range) -> Range:
        """The range that holds both."""
        return Range(low=np.minimum(self.low, other.low), high=np.maximum(self.high, other.high))


@dataclass(frozen=True, kw_only=True, slots=True, weakref_slot=True, eq=False)
class Histogram:
    """Exact counts over all samples.

    Attributes:
        edges: Bin borders, float64, ascending, shape (bins + 1,). Value 0 has a bin of its own.
        counts: int64, shape (bins,).
    """

    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mean:
    """Mean per index of the axis, float64, shape (channels,)."""

    mean: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gram:
    """XᵀX summed over all rows, and their number.

    Attributes:
        matrix: float64, shape (groups, k, k); k in the order of the flattened weight of one output channel.
        rows: Rows summed.
    """

    matrix: np.ndarray
    rows: int


Observation: TypeAlias = Range | Histogram | Mean | Gram


def observation_of(value: ir.Value, statistic: Statistic) -> Observation | None:
    """What was measured of a value, or None."""
    found: dict[Statistic, Observation] = value.meta.get(_OBSERVED, {})
    return found.get(statistic)


def set_observation(value: ir.Value, statistic: Statistic, observed: Observation) -> None:
    """Remember what was measured."""
    value.meta.setdefault(_OBSERVED, {})[statistic] = observed


def forget_observations(value: ir.Value) -> None:
    """Forget what was measured: the value is not what it was."""
    value.meta.pop(_OBSERVED, None)
