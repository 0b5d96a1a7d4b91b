"""What an output is, and how far it is from float's, against sums written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgec.compiler.searching.outputs import Form, fidelity, form_of

RNG = np.random.default_rng(0)


def confident(*shape: int, axis: int) -> np.ndarray:
    """Logits with one class far ahead at each position."""
    x = RNG.standard_normal(shape).astype(np.float32)
    winner = np.expand_dims(RNG.integers(0, shape[axis], np.delete(shape, axis)), axis)
    np.put_along_axis(x, winner, 12.0, axis)
    return x


@pytest.mark.parametrize(
    ("x", "inputs", "form"),
    [
        (confident(1, 10, axis=1), [(1, 3, 8, 8)], Form(kind="scores", axis=1)),
        (confident(1, 6, 40, axis=2), [(1, 6)], Form(kind="tokens", axis=2)),
        (confident(1, 68, 18, axis=1), [(1, 3, 24, 94)], Form(kind="tokens", axis=1)),
        (confident(1, 10, 1, 1, axis=1), [(1, 3, 8, 8)], Form(kind="scores", axis=1)),
        (confident(1, 21, 8, 8, axis=1), [(1, 3, 8, 8)], Form(kind="map", axis=1)),
        (RNG.random((1, 1, 8, 8), np.float32), [(1, 3, 8, 8)], Form(kind="map", axis=1, normalized=True, binary=True)),
        (RNG.random((1, 8, 8, 1), np.float32), [(1, 8, 8, 3)], Form(kind="map", axis=3, normalized=True, binary=True)),
        (RNG.random((1, 1, 8, 8), np.float32), [(1, 1, 8, 8)], Form(kind="image")),
        (np.full((1, 50, 1, 1), 0.02, np.float32), [(1, 3, 8, 8)], Form(kind="scores", axis=1, normalized=True)),
        (confident(1, 1000, 1, 1, axis=1), [(1, 3, 8, 8)], Form(kind="scores", axis=1)),
        (np.full((1, 4, 20, 1), 0.25, np.float32), [(1, 8)], Form(kind="map", axis=1, normalized=True)),
        (np.zeros((1, 4, 0, 0), np.float32), [(1, 8)], Form(kind="field")),
        (2 * RNG.random((1, 1, 8, 8), np.float32), [(1, 3, 8, 8)], Form(kind="field")),
        (np.full((1, 4), 0.25, np.float32), [(1, 8)], Form(kind="scores", axis=1, normalized=True)),
        (RNG.random((1, 3, 16, 16), np.float32), [(1, 3, 8, 8)], Form(kind="image")),
        (0.05 * RNG.standard_normal((1, 384)).astype(np.float32), [(1, 12)], Form(kind="values")),
        (0.05 * RNG.standard_normal((1, 40, 4)).astype(np.float32), [(1, 12)], Form(kind="field")),
        (np.arange(6, dtype=np.int64).reshape(1, 6), [(1, 6)], Form(kind="values")),
        (np.full((1, 4), np.nan, np.float32), [(1, 4)], Form(kind="values")),
    ],
)
def test_the_form_of_an_output(x: np.ndarray, inputs: list[tuple[int, ...]], form: Form) -> None:
    assert form_of([x], inputs) == form


def test_classes_of_several_steps_are_those_of_a_sequence() -> None:
    x = confident(1, 10, axis=1)
    assert form_of([x, x], [(1, 3)], steps=True) == Form(kind="tokens", axis=1)


def test_noise_is_energy_over_energy() -> None:
    x = np.array([[3.0, 4.0]], np.float32)
    found = fidelity(Form(kind="values"), [x], [x + np.array([[0.3, -0.4]], np.float32)])
    assert found.noise == pytest.approx(0.01, rel=1e-5)
    assert found.sqnr_db == pytest.approx(20.0, abs=1e-4)
    assert found.regret is None


def test_divergence_and_regret_by_hand() -> None:
    p, q = np.array([[0.7, 0.2, 0.1]], np.float32), np.array([[0.2, 0.7, 0.1]], np.float32)
    found = fidelity(Form(kind="scores", axis=1, normalized=True), [p, p], [q, p])
    assert found.divergence == pytest.approx((0.7 * math.log(3.5) + 0.2 * math.log(2 / 7)) / 2, rel=1e-5)
    assert found.regret == pytest.approx((0.7 - 0.2) / 2, rel=1e-5)
    logits = fidelity(Form(kind="scores", axis=1), [np.log(p), np.log(p)], [np.log(q) + 3, np.log(p)])
    assert logits.divergence == pytest.approx(found.divergence, rel=1e-4)  # logits are known up to a constant


def test_an_answer_that_is_not_finite_is_noise_without_bound() -> None:
    x = np.ones((1, 4), np.float32)
    found = fidelity(Form(kind="scores", axis=1), [x], [np.array([[1, np.nan, 1, 1]], np.float32)])
    assert (found.noise, found.sqnr_db, found.regret) == (math.inf, -math.inf, 1.0)


def test_integers_are_compared_by_equality() -> None:
    x = np.arange(10).reshape(1, 10)
    assert fidelity(Form(kind="values"), [x], [np.where(x == 3, 0, x)]).noise == pytest.approx(0.1)


def test_identical_answers_have_no_noise() -> None:
    x = confident(1, 5, axis=1)
    for form in (Form(kind="scores", axis=1), Form(kind="values")):
        assert fidelity(form, [x], [x]) == form.identical
        assert form.identical.sqnr_db == math.inf


def test_a_mask_is_a_map_of_two_classes() -> None:
    """KL of a coin that falls with chance p, by hand; a candidate beyond 1 counts as 1."""
    p, q = (np.full((1, 1, 4, 4), chance, np.float32) for chance in (0.9, 0.6))
    form = Form(kind="map", axis=1, normalized=True, binary=True)
    found = fidelity(form, [p], [q])
    assert found.divergence == pytest.approx(0.9 * math.log(0.9 / 0.6) + 0.1 * math.log(0.1 / 0.4), rel=1e-5)
    assert found.regret == pytest.approx(0, abs=1e-6)
    assert fidelity(form, [p], [1 - p]).regret == pytest.approx(0.8, rel=1e-5)
    assert fidelity(form, [np.ones_like(p)], [p + 0.2]).divergence == pytest.approx(0, abs=1e-6)


def test_a_mask_of_few_pixels_counts_by_them() -> None:
    """One pixel in 1,024 lost: as much as of a mask of 32 pixels, not a thousandth."""
    x = np.zeros((1, 1, 32, 32), np.float32)
    x[0, 0, 3, 4] = 1
    y = np.zeros_like(x)
    form = Form(kind="map", axis=1, normalized=True, binary=True)
    assert fidelity(form, [x], [y]).regret == pytest.approx(1 / 32, rel=1e-5)
    assert fidelity(form, [1 - x], [1 - y]).regret == pytest.approx(1 / 32, rel=1e-5)
    assert fidelity(form, [y], [y]).divergence == pytest.approx(0, abs=1e-6)


def test_a_large_map_is_thinned_and_says_the_same() -> None:
    x = confident(1, 4, 256, 256, axis=1)
    y = x + 0.1 * RNG.standard_normal(x.shape).astype(np.float32)
    found = fidelity(Form(kind="map", axis=1), [x], [y])
    whole = float(np.square(x - y).sum() / np.square(x).sum())
    assert found.noise == pytest.approx(whole, rel=0.05)
