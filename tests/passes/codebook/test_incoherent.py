from __future__ import annotations

import numpy as np
import pytest

from edgec.passes.codebook.incoherent import incoherent, why_not_incoherent
from edgec.passes.weight_only.blocks import BlockForm
from edgec.passes.weight_only.nearest import nearest


def layer(rows: int, columns: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and the Gram matrix of correlated inputs of which some channels are 30 times as large."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((columns, columns)) * np.arange(1, columns + 1) ** -0.5
    X = rng.standard_normal((4 * columns, columns)) @ mix.T / np.sqrt(columns)
    X += 0.1 * rng.standard_normal(X.shape)
    X[:, rng.choice(columns, 3, replace=False)] *= 30
    return rng.standard_normal((rows, columns)) * np.exp(0.3 * rng.standard_normal((rows, 1))), X.T @ X


def lost(W: np.ndarray, near: np.ndarray, H: np.ndarray) -> float:
    return float(np.sqrt(np.trace((near - W) @ H @ (near - W).T) / np.trace(W @ H @ W.T)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_codebook_behind_a_change_loses_less_than_levels(seed: int) -> None:
    W, H = layer(96, 256, seed)
    scalar = lost(W, nearest(W, BlockForm(bits=2, size=128), np.diag(H)).real, H)
    e8, midrise = (lost(W, incoherent(W, H, kind).real, H) for kind in ("e8", "midrise"))
    assert e8 < 0.95 * midrise
    assert midrise < 0.6 * scalar


@pytest.mark.parametrize("kind", ["e8", "midrise"])
@pytest.mark.parametrize("outputs", [False, True])
def test_blocks_and_shift_are_the_points(kind: str, outputs: bool) -> None:
    W, H = layer(24, 48, 0)
    found = incoherent(W, H, kind, outputs=outputs)
    levels = {(code - 7.5) / 2 for code in range(2, 14)} if kind == "e8" else {-1.5, -0.5, 0.5, 1.5}
    points = (found.blocks.real + found.shift[:, None]) / found.scale[:, None]
    assert set(np.round(points.reshape(-1), 4).tolist()) <= levels
    changed = found.inputs.rows(found.real.astype(np.float64))
    if found.outputs is not None:
        changed = found.outputs.rows(changed.T).T
    np.testing.assert_allclose(changed, points * found.scale[:, None], atol=1e-5)
    assert (found.outputs is not None) == outputs


@pytest.mark.parametrize("kind", ["e8", "midrise"])
def test_rows_of_zeros_stay(kind: str) -> None:
    W = np.zeros((3, 16))
    W[1] = np.linspace(-1, 1, 16)
    found = incoherent(W, None, kind).real
    np.testing.assert_array_equal(found[[0, 2]], 0)
    assert np.square(found[1] - W[1]).sum() < 0.25 * np.square(W[1]).sum()


def test_the_same_twice() -> None:
    W, H = layer(16, 32, 0)
    first, again = incoherent(W, H, "e8"), incoherent(W, H, "e8")
    np.testing.assert_array_equal(first.codes, again.codes)
    np.testing.assert_array_equal(first.scale, again.scale)


@pytest.mark.parametrize(
    ("columns", "kind", "why"),
    [
        (12, "e8", "sums 12 products, which points of 8 numbers do not divide"),
        (4168, "midrise", "sums 4168 products, which make no two factors of at most 512"),
        (12, "midrise", None),
        (384, "e8", None),
    ],
)
def test_what_cannot_be_changed_says_why(columns: int, kind: str, why: str | None) -> None:
    assert why_not_incoherent((5, columns), kind) == why
