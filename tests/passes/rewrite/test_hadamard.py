from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.rewrite.hadamard import Rotation, core_order, paley, random_rotation

UNKNOWN = (92, 116, 156, 172, 184, 188)


def squares(q: int) -> set[int]:
    return {k * k % q for k in range(1, q)}


@pytest.mark.parametrize("order", [order for order in range(4, 201, 4) if paley(order) is not None])
def test_hadamards_equation(order: int) -> None:
    matrix = paley(order)
    assert matrix is not None
    np.testing.assert_array_equal(np.abs(matrix), np.ones((order, order)))
    np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order))


def test_paleys_first_matrix_of_order_12() -> None:
    """Row by row from the squares modulo 11."""
    matrix = paley(12)
    assert matrix is not None
    for a in range(11):
        for b in range(11):
            wanted = 1 if a == b or (a - b) % 11 in squares(11) else -1
            assert matrix[a + 1, b + 1] == wanted


def test_which_orders_have_a_core() -> None:
    assert [n for n in range(4, 201, 4) if core_order(n) is None] == list(UNKNOWN)
    known = {1: 1, 2: 1, 64: 1, 12: 12, 384: 12, 5120: 20, 896: 28, 13824: 108}
    assert {n: core_order(n) for n in known} == known


@settings(deadline=None, max_examples=30)
@given(st.sampled_from((1, 2, 8, 12, 20, 24, 28, 52, 64, 96, 100, 128, 288)), st.booleans(), st.integers(0, 99))
def test_a_rotation_is_orthogonal_and_spreads(n: int, keeps_mean: bool, seed: int) -> None:
    rotation = random_rotation(n, np.random.default_rng(seed), keeps_mean=keeps_mean)
    assert isinstance(rotation, Rotation)
    matrix = rotation.turned(np.eye(n))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(n), atol=1e-12)
    if keeps_mean:
        np.testing.assert_allclose(matrix @ np.ones(n), np.ones(n), atol=1e-12)
    else:
        np.testing.assert_allclose(np.abs(matrix), np.full((n, n), n**-0.5))
    if n >= 64:
        assert np.abs(matrix).max() < 6 / np.sqrt(n)


def test_any_axis_is_turned_alike() -> None:
    rotation = random_rotation(12, np.random.default_rng(1))
    assert isinstance(rotation, Rotation)
    x = np.random.default_rng(2).standard_normal((3, 12, 5))
    found = rotation.turned(x, axis=1)
    np.testing.assert_allclose(found, np.einsum("akb,kn->anb", x, rotation.turned(np.eye(12))), atol=1e-12)


def test_the_signs_are_those_of_the_seed() -> None:
    first, same, other = (random_rotation(64, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert isinstance(first, Rotation)
    assert isinstance(same, Rotation)
    assert isinstance(other, Rotation)
    np.testing.assert_array_equal(first.signs, same.signs)
    assert not np.array_equal(first.signs, other.signs)


def test_a_width_without_a_matrix() -> None:
    found = random_rotation(172, np.random.default_rng(0))
    assert found == "has 172 channels, for which no Hadamard matrix is known here"
    assert random_rotation(9, np.random.default_rng(0)) == "has 9 channels, for which no Hadamard matrix is known here"
