from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.codebook.hadamard import hadamard, spread


@pytest.mark.parametrize("n", [1, 2, 4, 8, 12, 16, 20, 24, 28, 36, 44, 48, 52, 60, 64, 76, 84])
def test_rows_are_orthogonal(n: int) -> None:
    H = hadamard(n)
    assert H is not None
    np.testing.assert_array_equal(np.abs(H), 1)
    np.testing.assert_array_equal(H @ H.T, n * np.eye(n))


@pytest.mark.parametrize("n", [0, 3, 6, 10, 92])
def test_some_have_none(n: int) -> None:
    assert hadamard(n) is None


@settings(deadline=None)
@given(st.sampled_from([1, 3, 8, 43, 64, 172, 384]), st.integers(0, 99))
def test_a_spread_is_its_kronecker_product(size: int, seed: int) -> None:
    P = spread(size, seed)
    assert P is not None
    whole = np.kron(P.left, P.right)
    X = np.random.default_rng(seed).standard_normal((3, size))
    np.testing.assert_allclose(P.rows(X), X @ whole, atol=1e-12)
    np.testing.assert_allclose(P.back(P.rows(X)), X, atol=1e-12)
    np.testing.assert_allclose(P.around(X.T @ X), whole.T @ X.T @ X @ whole, atol=1e-9)


def test_one_place_is_spread_over_all() -> None:
    P = spread(384, 0)
    assert P is not None
    np.testing.assert_allclose(np.abs(P.rows(np.eye(384)[:5])), 384**-0.5)


def test_a_large_prime_has_none() -> None:
    assert spread(521, 0) is None
