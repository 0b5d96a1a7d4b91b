from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.codebook.e8 import e8_points, nearest_e8, patterns


def every_point() -> np.ndarray:
    """The codebook from the paper's words: halves of even sum with an allowed pattern, and a quarter up or down."""
    found = []
    for a in patterns().astype(int) / 2:
        signed = np.array(list(product((1, -1), repeat=8))) * a
        even = signed[np.mod(signed.sum(axis=1), 2) == 0]
        found += [even + 0.25, even - 0.25]
    return np.concatenate(found)


def test_the_patterns_are_the_papers() -> None:
    norms = (patterns().astype(int) ** 2).sum(axis=1) / 4
    assert [int((norms == n).sum()) for n in (2, 4, 6, 8, 10, 12)] == [1, 8, 28, 64, 126, 29]
    assert patterns()[norms == 12].max() == 3
    assert len(np.unique(patterns(), axis=0)) == 256


def test_an_index_for_each_point() -> None:
    points = e8_points(np.arange(1 << 16, dtype=np.uint16)) / 4
    expected = every_point()
    np.testing.assert_array_equal(np.unique(points, axis=0), np.unique(expected, axis=0))
    assert len(np.unique(points, axis=0)) == len(points)


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.4, 3.0])
def test_no_point_is_nearer(scale: float) -> None:
    x = (np.random.default_rng(0).standard_normal((300, 8)) * scale).astype(np.float32)
    points = every_point()
    distances = (x**2).sum(axis=1)[:, None] - 2 * x @ points.T + (points**2).sum(axis=1)
    found = ((x - e8_points(nearest_e8(x)) / 4) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, distances.min(axis=1), atol=2e-4)


@settings(deadline=None)
@given(st.integers(0, (1 << 16) - 1))
def test_a_point_is_its_own_nearest(index: int) -> None:
    point = e8_points(np.array([index], np.uint16)) / 4
    np.testing.assert_array_equal(e8_points(nearest_e8(point)) / 4, point)


def test_normal_numbers_lose_what_the_reference_says() -> None:
    # 0.0920 at scale 1.03, where four levels lose 0.1194 (Max 1960).
    x = np.random.default_rng(1).standard_normal((40000, 8)).astype(np.float32) * np.float32(1.03)
    lost = np.square(x - e8_points(nearest_e8(x)) / 4).mean() / 1.03**2
    assert abs(lost - 0.0920) < 0.0005


def test_nothing_has_no_points() -> None:
    assert nearest_e8(np.empty((0, 8))).shape == (0,)
