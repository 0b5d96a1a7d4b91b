"""Intervals against known answers: coverage, pairing, and what no difference means."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.compiler.metrics import Metric, metric_named
from edgec.compiler.metrics.intervals import (
    SESSION_SPREAD,
    median_ratio_interval,
    metric_intervals,
    quantile_ratio_interval,
    rule_of_three,
)

GENERATOR = np.random.default_rng(11)
TOP1 = metric_named("top1")


def hits(right: np.ndarray) -> np.ndarray:
    """Records of top1 for samples answered right or wrong."""
    return np.stack([right.astype(float), np.ones(len(right))], axis=1)


def test_the_interval_is_that_of_the_binomial():
    right = np.arange(400) < 320
    low, high = metric_intervals(TOP1, None, hits(right)).value or (0, 0)
    sigma = np.sqrt(0.8 * 0.2 / 400)
    assert low == pytest.approx(0.8 - 1.96 * sigma, abs=0.005)
    assert high == pytest.approx(0.8 + 1.96 * sigma, abs=0.005)


def test_pairing_is_what_makes_the_drop_narrow():
    right = GENERATOR.random(500) < 0.7
    worse = right & (np.arange(500) >= 10)  # ten samples lost at most, all others alike
    lost = np.count_nonzero(right & ~worse) / 500
    found = metric_intervals(TOP1, hits(right), hits(worse))
    assert found.drop is not None
    low, high = found.drop
    assert low <= lost <= high
    assert high - low < 0.03  # two independent sets of 500 would differ by 0.11


def test_coverage_of_the_drop():
    """About 95 of 100 intervals hold the true drop of 3 points (binomial: 88 or more with 99.9%)."""
    covered = 0
    for trial in range(100):
        generator = np.random.default_rng(trial)
        u = generator.random(400)
        right, after = u < 0.85, (u < 0.80) | (u > 0.98)  # loses 5 points, wins 2
        found = metric_intervals(TOP1, hits(right), hits(after), seed=trial, resamples=500).drop
        assert found is not None
        covered += found[0] <= 0.03 <= found[1]
    assert covered >= 88


def test_a_seed_repeats_it():
    right, after = GENERATOR.random(50) < 0.7, GENERATOR.random(50) < 0.7
    first = metric_intervals(TOP1, hits(right), hits(after), seed=1)
    assert first == metric_intervals(TOP1, hits(right), hits(after), seed=1)
    assert first != metric_intervals(TOP1, hits(right), hits(after), seed=2)


@pytest.mark.parametrize("n", [20, 300, 5000])
def test_no_difference_in_n_samples_is_no_certainty(n):
    right = GENERATOR.random(n) < 0.7
    found = metric_intervals(TOP1, hits(right), hits(right), resamples=50).drop
    assert found == (-rule_of_three(n), rule_of_three(n))


def test_the_rule_of_three():
    assert rule_of_three(20) == pytest.approx(0.1391, abs=1e-4)  # Clopper-Pearson, one-sided, 0 of 20
    assert rule_of_three(1000) == pytest.approx(3 / 1000, rel=0.01)


def test_all_right_is_no_certainty_either():
    found = metric_intervals(TOP1, None, hits(np.ones(20, bool)))
    assert found.value == (1 - rule_of_three(20), 1.0)
    assert metric_intervals(TOP1, None, hits(np.zeros(20, bool))).value == (0.0, rule_of_three(20))


def test_lower_is_better_turns_the_drop_round():
    mse = metric_named("mse")
    reference = np.stack([GENERATOR.random(100), np.ones(100)], axis=1)
    worse = reference + np.array([1.0, 0.0])
    found = metric_intervals(mse, reference, worse).drop
    assert found is not None
    assert found == pytest.approx((1.0, 1.0))


def test_identical_errors_have_a_drop_of_exactly_zero():
    records = np.stack([GENERATOR.random(30), np.ones(30)], axis=1)
    assert metric_intervals(metric_named("mse"), records, records).drop == (0.0, 0.0)


def test_a_metric_without_weights_is_resampled_one_by_one():
    median = Metric(
        name="median", direction="higher", unit="", record=lambda outputs, label: np.zeros(1),
        aggregate=lambda records: float(np.median(records)),
    )  # fmt: skip
    found = metric_intervals(median, None, GENERATOR.normal(size=(200, 1)), resamples=200).value
    assert found is not None
    assert found[0] < 0.1
    assert found[1] > -0.1


def test_an_undefined_metric_has_no_interval():
    one_class = np.stack([GENERATOR.random(20), np.ones(20)], axis=1)
    assert metric_intervals(metric_named("auc"), None, one_class).value is None


def test_the_ratio_of_medians():
    a, b = GENERATOR.normal(2.0, 0.01, (20, 5)), GENERATOR.normal(1.0, 0.01, (20, 5))
    low, high = median_ratio_interval(a, b)
    assert low < 2.0 < high
    assert high - low < 0.2
    low, high = median_ratio_interval(a, a)
    assert (low, high) == pytest.approx((1 - SESSION_SPREAD, 1 + SESSION_SPREAD))


def test_the_ratio_of_tails_sees_what_medians_do_not():
    b = np.full((20, 5), 1.0)
    a = b.copy()
    a[:, 4] = 3.0  # one run of each five
    assert median_ratio_interval(a, b) == pytest.approx((1 - SESSION_SPREAD, 1 + SESSION_SPREAD))
    low, high = quantile_ratio_interval(a, b, 0.95)
    assert (low, high) == pytest.approx((3 * (1 - SESSION_SPREAD), 3 * (1 + SESSION_SPREAD)))
