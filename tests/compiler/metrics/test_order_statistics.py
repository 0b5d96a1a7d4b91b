"""Order-statistic intervals against printed tables, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.metrics.intervals import SESSION_SPREAD
from edgec.compiler.metrics.order_statistics import median_interval, paired_ratio_interval


@pytest.mark.parametrize(
    ("n", "rank"),  # Conover, Practical Nonparametric Statistics, 1999: ranks r and n + 1 - r of the sign test at 5%
    [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (17, 5), (20, 6), (25, 8)],
)
def test_the_ranks_are_those_of_the_sign_test(n: int, rank: int) -> None:
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert median_interval(values) == (rank, n + 1 - rank)


@pytest.mark.parametrize("n", range(1, 6))
def test_few_values_say_nothing(n: int) -> None:
    assert median_interval(np.arange(float(n))) == (-math.inf, math.inf)


def test_ratios_leave_room_for_another_session() -> None:
    assert paired_ratio_interval(np.ones(6)) == (1 - SESSION_SPREAD, 1 + SESSION_SPREAD)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60))
def test_the_median_is_inside(values: list[float]) -> None:
    low, high = median_interval(np.array(values))
    assert low <= np.median(values) <= high


@pytest.mark.parametrize("n", [6, 13, 40])
def test_the_median_of_a_skewed_distribution_is_covered(n: int) -> None:
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(4000, n))
    inside = [low <= math.log(2) <= high for low, high in map(median_interval, draws)]
    assert 0.945 <= np.mean(inside) <= 0.995
