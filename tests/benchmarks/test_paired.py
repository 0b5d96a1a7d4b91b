"""The statistics of the benchmark table: right where the answer is known, and able to say no."""

from __future__ import annotations

import numpy as np
import paired
import pytest


def _sqnr(reference: np.ndarray, output: np.ndarray) -> np.ndarray:
    return paired.decibel(*paired.energies(reference, output))


def test_mean_and_interval_of_accuracy_records_match_the_binomial() -> None:
    records = np.array([1.0] * 900 + [0.0] * 100)
    interval = paired.bootstrap_mean(records)
    half = 1.96 * np.sqrt(0.9 * 0.1 / 1000)  # normal approximation
    assert interval.n == 1000
    assert interval.estimate == 0.9
    assert interval.low == pytest.approx(0.9 - half, abs=0.003)
    assert interval.high == pytest.approx(0.9 + half, abs=0.003)


def test_interval_of_many_valued_records_matches_the_normal() -> None:
    records = np.random.default_rng(1).normal(20.0, 3.0, 400)
    interval = paired.bootstrap_mean(records)
    half = 1.96 * records.std() / np.sqrt(400)
    assert interval.low == pytest.approx(records.mean() - half, abs=0.05)
    assert interval.high == pytest.approx(records.mean() + half, abs=0.05)


def test_interval_is_reproducible_and_depends_on_the_seed() -> None:
    records = np.random.default_rng(2).normal(size=200)
    assert paired.bootstrap_mean(records) == paired.bootstrap_mean(records)
    assert paired.bootstrap_mean(records) != paired.bootstrap_mean(records, seed=1)


@pytest.mark.parametrize("records", [np.array([]), np.array([1.0, np.nan])])
def test_no_records_or_nan_is_refused(records: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least one record, all finite"):
        paired.bootstrap_mean(records)


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(3)
    other = (rng.random(1000) < 0.7).astype(float)
    ours = other.copy()
    ours[:5] = 1 - ours[:5]
    difference = paired.paired_difference(ours, other)
    alone = paired.bootstrap_mean(ours)
    assert difference.high - difference.low < (alone.high - alone.low) / 4


def test_a_consistent_loss_is_found_and_no_difference_is_not() -> None:
    other = np.ones(500)
    ours = other.copy()
    ours[:20] = 0.0
    assert paired.paired_difference(ours, other).high < 0
    assert paired.paired_difference(other, other) == paired.Interval(estimate=0.0, low=0.0, high=0.0, n=500)


def test_records_of_different_length_are_not_paired() -> None:
    with pytest.raises(ValueError, match="not paired"):
        paired.paired_difference(np.ones(3), np.ones(4))


def test_sqnr_is_per_sample_in_decibel() -> None:
    reference = np.array([[3.0, 4.0], [10.0, 0.0], [1.0, 1.0], [0.0, 0.0]], np.float32)
    output = np.array([[3.0, 4.5], [9.0, 0.0], [1.0, 1.0], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(_sqnr(reference, output), [20.0, 20.0, paired.LIMIT_DB, -paired.LIMIT_DB], atol=1e-9)


@pytest.mark.parametrize(("spoil", "limit"), [(lambda x: x * 1.01, 41), (np.zeros_like, 0.1), (lambda x: x[::-1], 6)])
def test_sqnr_rejects_spoiled_outputs(spoil: object, limit: float) -> None:
    x = np.random.default_rng(4).normal(size=(8, 100))
    assert (_sqnr(x, spoil(x)) < limit).all()  # type: ignore[operator]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sqnr_rejects_what_is_not_finite(bad: float) -> None:
    x = np.ones((2, 3))
    spoiled = x.copy()
    spoiled[1, 1] = bad
    np.testing.assert_array_equal(_sqnr(x, spoiled), [paired.LIMIT_DB, -paired.LIMIT_DB])


def test_ratio_is_immune_to_moments_that_hit_both_sides() -> None:
    other = np.array([1.0, 1.0, 5.0, 1.0, 9.0])
    found = paired.ratio(other * 0.5, other)
    assert found == {"median": 0.5, "minimum": 0.5}
