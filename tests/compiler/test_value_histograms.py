"""Histograms for people: equal bins, nothing lost, and the noise of a value by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.value_histograms import BINS, own_sqnr, value_histogram
from edgec.passes.observe.statistics import Histogram


def histogram(x: np.ndarray, bins: int = 4096) -> Histogram:
    counts, edges = np.histogram(x, bins)
    return Histogram(edges=edges, counts=counts.astype(np.int64))


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3.0))
def test_no_element_is_lost_on_a_common_axis(seed: int, factor: float) -> None:
    x = np.random.default_rng(seed).standard_normal(500)
    found = value_histogram(
        "v", "conv", [("calibration", histogram(x)), ("evaluation", histogram(factor * x))], step=0.01, clip=(-1.0, 1.0)
    )
    assert [len(counts) for counts in found.counts.values()] == [BINS, BINS]
    assert [sum(counts) for counts in found.counts.values()] == pytest.approx([500, 500])
    assert found.span[0] <= min(-1.0, x.min(), factor * x.min()) + 1e-12
    assert found.span[1] >= max(1.0, x.max(), factor * x.max()) - 1e-12


def test_the_noise_is_that_of_rounding_and_clipping_the_elements() -> None:
    """Against the elements themselves, rounded and clipped."""
    x = np.random.default_rng(0).standard_normal(200_000)
    step, clip = 0.05, (-2.0, 2.0)
    y = np.clip(np.round(x / step) * step, *clip)
    wanted = 10 * math.log10((x**2).sum() / ((x - y) ** 2).sum())
    assert own_sqnr(histogram(x), step=step, clip=clip) == pytest.approx(wanted, abs=0.1)


def test_nothing_clipped_leaves_the_noise_of_rounding() -> None:
    flat = Histogram(edges=np.array([1.0, 1.0 + 1e-9]), counts=np.array([10]))
    assert own_sqnr(flat, step=0.1, clip=(-5.0, 5.0)) == pytest.approx(10 * math.log10(12 / 0.01))


def test_a_value_that_is_nothing_but_zero_has_no_signal() -> None:
    zero = Histogram(edges=np.array([-1e-30, 1e-30]), counts=np.array([10]))
    assert own_sqnr(zero, step=0.1, clip=(-1.0, 1.0)) == -math.inf
    assert value_histogram("z", "", [("observed", zero)], step=0.1, clip=(-1.0, 1.0)).to_json()["sqnr_db"] is None
