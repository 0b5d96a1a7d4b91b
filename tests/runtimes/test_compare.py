"""The comparer must reject what is wrong, or every proof that uses it is worth nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgec.runtimes.compare import Comparer, compare

GENERATOR = np.random.default_rng(7)
X = GENERATOR.normal(size=(4, 50)).astype(np.float32)


def one(reference: np.ndarray, value: np.ndarray):
    return compare({"y": reference}, {"y": value})["y"]


@pytest.mark.parametrize(
    "wrong",
    [
        X * 1.01,
        np.zeros_like(X),
        np.where(np.arange(50) == 3, np.nan, X),
        np.full_like(X, np.inf),
        X[::-1],
        -X,
        X + 0.05,
    ],
    ids=["x1.01", "zeros", "one NaN", "infinite", "rows swapped", "negated", "shifted"],
)
def test_wrong_outputs_are_rejected(wrong):
    assert not one(X, wrong).agrees(60)


def test_swapped_outputs_are_rejected():
    a, b = X, X + GENERATOR.normal(size=X.shape).astype(np.float32)
    found = compare({"a": a, "b": b}, {"a": b, "b": a})
    assert not found["a"].agrees(20)
    assert not found["b"].agrees(20)


def test_the_same_output_is_accepted_as_exact():
    same = one(X, X.copy())
    assert same.exact
    assert same.agrees(200)
    assert same.sqnr_db == math.inf
    assert same.cosine == 1.0
    assert same.to_json() == {
        "sqnr_db": None, "cosine": 1.0, "max_error": 0.0, "peak": float(np.abs(X).max()), "equal_share": 1.0,
        "exact": True, "elements": 200, "nonfinite": 0,
    }  # fmt: skip


def test_sqnr_is_that_of_the_formula():
    scaled = one(X.astype(np.float64), X.astype(np.float64) * 1.01)
    assert scaled.sqnr_db == pytest.approx(40.0)  # noise is signal / 100
    assert scaled.cosine == pytest.approx(1.0)
    assert scaled.max_error == pytest.approx(0.01 * np.abs(X).max())


def test_one_nan_makes_the_noise_unbounded():
    found = one(X, np.where(np.arange(50) == 3, np.nan, X))
    assert found.sqnr_db == -math.inf
    assert found.cosine == 0.0
    assert found.max_error == math.inf
    assert found.nonfinite == 4
    assert found.to_json()["sqnr_db"] is None
    assert found.to_json()["exact"] is False


def test_infinities_that_float_has_too_are_no_fault():
    masked = np.where(np.arange(50) < 10, -np.inf, X)
    found = one(masked, masked.copy())
    assert found.exact
    assert found.nonfinite == 0


def test_a_nan_of_float_does_not_hide_a_difference_elsewhere():
    reference = np.array([np.nan, 1.0, 2.0])
    assert one(reference, reference.copy()).exact
    assert not one(reference, np.array([np.nan, 1.0, 3.0])).agrees(20)


def test_streaming_gives_what_one_call_gives():
    y = X + 0.01 * GENERATOR.normal(size=X.shape).astype(np.float32)
    whole, parts = one(X, y), Comparer()
    for row_x, row_y in zip(X, y, strict=True):
        parts.add(row_x, row_y)
    streamed = parts.result()
    assert streamed.sqnr_db == pytest.approx(whole.sqnr_db)
    assert streamed.cosine == pytest.approx(whole.cosine)
    assert streamed.max_error == whole.max_error
    assert streamed.elements == whole.elements


def test_integers_are_compared_by_equality():
    found = one(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5]))
    assert found.equal_share == 0.75
    assert found.sqnr_db is None
    assert not found.agrees(0)
    assert one(np.array([True]), np.array([True])).agrees(99)
    assert not one(np.array([True]), np.array([False])).agrees(0)


def test_silence_against_noise_is_rejected():
    assert one(np.zeros(4), np.array([0.0, 0.0, 0.0, 1e-9])).sqnr_db == -math.inf
    assert one(np.zeros(4), np.zeros(4)).exact


def test_shapes_and_names_must_be_the_same():
    with pytest.raises(ValueError, match=r"shape \[50, 4\] against \[4, 50\]"):
        compare({"y": X}, {"y": X.T})
    with pytest.raises(ValueError, match=r"outputs \['z'\] against \['y'\]"):
        compare({"y": X}, {"z": X})
