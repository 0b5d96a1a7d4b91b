from __future__ import annotations

import numpy as np
import pytest

from edgec.passes.codebook.ldlq import best_scale, inverse_factor, ldlq, settle


def seeded(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4 * columns, columns)) @ rng.standard_normal((columns, columns))
    return rng.standard_normal((rows, columns)), X.T @ X


def whole(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lattice of whole numbers from -1 to 1."""
    q = np.clip(np.rint(x), -1, 1)
    return (q.astype(np.int64) + 1) @ 3 ** np.arange(x.shape[1]), q.astype(np.float32)


def loss(W: np.ndarray, Q: np.ndarray, H: np.ndarray) -> float:
    return float(np.trace((Q - W) @ H @ (Q - W).T))


def reference(W: np.ndarray, H: np.ndarray, width: int, damp: float) -> np.ndarray:
    """Equation (1) of the paper: W_k + (W - Ŵ)_before A_before,k.

    Block by block, the feedback is the regression of a block's error on those of the blocks before it.
    """
    H = H + damp * np.diag(H).mean() * np.eye(len(H))
    Q = np.zeros_like(W)
    for a in range(0, W.shape[1], width):
        b = a + width
        # The best linear answer of columns a: to the error made in columns :a is -E H_:a,a: (H_a:,a:)⁻¹, and of that
        # the part of the next block.
        answer = (W[:, :a] - Q[:, :a]) @ H[:a, a:] @ np.linalg.inv(H[a:, a:])
        Q[:, a:b] = whole(W[:, a:b] + answer[:, :width])[1]
    return Q


@pytest.mark.parametrize("width", [1, 4, 8])
def test_it_is_the_papers_feedback(width: int) -> None:
    W, H = seeded(6, 160)
    codes, Q = ldlq(W, H, whole, width, damp=0.02)
    assert codes.shape == (6, 160 // width)
    expected = reference(W, H, width, 0.02)
    # Ties of roundings aside.
    assert (expected != Q).mean() < 0.01
    assert loss(W, Q, H) == pytest.approx(loss(W, expected, H), rel=0.02)


def test_it_loses_less_than_the_nearest_and_settling_less_still() -> None:
    W, H = seeded(16, 64)
    codes, Q = ldlq(W, H, whole, 8)
    assert loss(W, Q, H) < 0.8 * loss(W, whole(W)[1], H)
    again, settled = settle(W.astype(np.float32), H, whole, codes, Q)
    each = np.einsum("nk,kl,nl->n", settled - W, H, settled - W) - np.einsum("nk,kl,nl->n", Q - W, H, Q - W)
    assert (each <= 1e-6 * loss(W, Q, H)).all()
    assert loss(W, settled, H) < loss(W, Q, H)
    blocks = settled.reshape(16, 8, 8)
    np.testing.assert_array_equal(again, ((blocks.astype(int) + 1) * 3 ** np.arange(8)).sum(axis=2))


def test_the_factor_is_that_of_the_inverse() -> None:
    _, H = seeded(1, 24)
    U = inverse_factor(H, 0.0)
    assert np.allclose(U, np.triu(U))
    np.testing.assert_allclose(U.T @ U @ H, np.eye(24), atol=1e-2)


def test_the_best_scale_is_where_the_loss_is_flat() -> None:
    W, H = seeded(3, 16)
    Q = whole(W)[1]
    s = best_scale(W, H, Q)
    for each in (0.99, 1.01):
        assert loss(W, each * s[:, None] * Q, H) > loss(W, s[:, None] * Q, H)
    np.testing.assert_array_equal(best_scale(W, H, np.zeros_like(Q)), 1)


def test_inputs_never_seen_are_rounded_too() -> None:
    W, _ = seeded(4, 16)
    _, Q = ldlq(W, np.zeros((16, 16)), whole, 8)
    np.testing.assert_array_equal(Q, whole(W)[1])
