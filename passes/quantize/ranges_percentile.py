"""The range that holds a share of all elements."""

from __future__ import annotations

import numpy as np

from ..observe.statistics import Histogram
from ..spec import QuantSpec

__all__ = ["percentile_range"]


def percentile_range(histogram: Histogram, spec: QuantSpec, percentile: float) -> tuple[float, float]:
    """The narrowest range of bins outside of which at most 100 - percentile percent of the elements lie.

    Asymmetric: at most half of them on either side; symmetric: by magnitude (ONNX Runtime's PercentileCalibrater,
    onnxruntime/python/tools/quantization/calibrate.py).

    Args:
        histogram: Counts.
        spec: Only its symmetry matters.
        percentile: In percent, above 50.

    Returns:
        low <= 0 <= high.
    """
    edges, counts = histogram.edges, histogram.counts
    outside = counts.sum() * (100.0 - percentile) / 100.0
    if spec.symmetric:
        far = np.maximum(np.abs(edges[:-1]), np.abs(edges[1:]))
        order = np.argsort(far, kind="stable")
        beyond = counts.sum() - np.cumsum(counts[order])
        reach = float(far[order][np.argmax(beyond <= outside)])
        return -reach, reach
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    # First bin whose removal, with all before it, would cut too much.
    low = float(edges[:-1][np.argmax(below > outside / 2)])
    high = float(edges[1:][counts.size - 1 - np.argmax(above[::-1] > outside / 2)])
    return min(low, 0.0), max(high, 0.0)
