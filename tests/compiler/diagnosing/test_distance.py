"""Distances against numpy, however the samples are cut."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.diagnosing.carried import Window
from edgec.compiler.diagnosing.distance import DistanceMeter


@given(seed=st.integers(0, 500), pieces=st.integers(1, 5))
def test_pieces_add_up(seed: int, pieces: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(60).astype(np.float32)
    y = (x + rng.standard_normal(60) * 0.1 + 0.05).astype(np.float32)
    meter = DistanceMeter(Window(low=-1.0, high=0.5))
    for a, b in zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True):
        meter.add(a, b)
    far, wide = meter.result(), (x.astype(np.float64), y.astype(np.float64))
    error = wide[1] - wide[0]
    assert far.sqnr_db == pytest.approx(10 * np.log10((wide[0] ** 2).sum() / (error**2).sum()))
    assert far.cosine == pytest.approx(wide[0] @ wide[1] / np.linalg.norm(wide[0]) / np.linalg.norm(wide[1]))
    assert far.max_error == pytest.approx(np.abs(error).max())
    assert far.mean_error == pytest.approx(error.mean())
    assert far.relative_error == pytest.approx(np.linalg.norm(error) / np.linalg.norm(wide[0]))
    assert far.peak == pytest.approx(np.abs(x).max())
    assert far.clipped == pytest.approx(np.mean((x < -1) | (x > 0.5)))
    assert far.elements == 60


def test_the_meter_tells_wrong_values_apart() -> None:
    x = np.linspace(-1, 1, 32, dtype=np.float32)

    def sqnr(y: np.ndarray) -> float:
        meter = DistanceMeter()
        meter.add(x, y)
        return meter.result().sqnr_db

    assert sqnr(x) == np.inf
    assert sqnr(x * 1.01) == pytest.approx(40, abs=0.1)
    assert sqnr(np.zeros_like(x)) == 0
    assert sqnr(np.full_like(x, np.nan)) == -np.inf
    assert sqnr(-x) == pytest.approx(-6.02, abs=0.01)


def test_json_holds_no_infinity() -> None:
    meter = DistanceMeter()
    meter.add(np.ones(3, np.float32), np.ones(3, np.float32))
    values = json.loads(json.dumps(meter.result().to_json(), allow_nan=False))
    assert (values["sqnr_db"], values["clipped"], values["max_error"]) == (None, None, 0.0)


def test_subnormal_numbers_are_nothing() -> None:
    meter = DistanceMeter()
    meter.add(np.full(3, 1e-40, np.float32), np.zeros(3, np.float32))
    assert meter.result().sqnr_db == np.inf


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        DistanceMeter().add(np.ones(3), np.ones(4))
