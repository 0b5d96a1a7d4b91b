"""AWQ's search against a reference that keeps the activations, written from the paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.rewrite.awq import Reader, Rounded, energy_of, lost_energy, scales_of, search_scales, share_kept


def correlated(seed: int, *, tokens: int = 600, channels: int = 64, outliers: int = 3) -> np.ndarray:
    """Activations, a few of whose channels are far larger than the rest, related to each other."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((tokens, channels // 2)) @ rng.standard_normal((channels // 2, channels))
    x += 0.5 * rng.standard_normal((tokens, channels))
    x[:, rng.choice(channels, outliers, replace=False)] *= 30.0
    return x


def rounded(w: np.ndarray, bits: int, size: int, symmetric: bool) -> np.ndarray:
    """One block after the other, in float64."""
    made = np.empty(w.shape)
    for row in range(w.shape[0]):
        for start in range(0, w.shape[1], size):
            block = w[row, start : start + size].astype(np.float64)
            if symmetric:
                extreme = block[np.argmax(np.abs(block))]
                step, z = (extreme or -1.0) / -(2.0 ** (bits - 1)), 2 ** (bits - 1)
            else:
                low, high = min(block.min(), 0.0), max(block.max(), 0.0)
                step = (high - low) / (2**bits - 1) or 1.0
                z = np.rint(-low / step)
            codes = np.clip(np.rint(block / step) + z, 0, 2**bits - 1)
            made[row, start : start + size] = (codes - z) * step
    return made


def covering(bits: int, size: int, symmetric: bool = True) -> Rounded:
    """Q without a search, as the authors have it."""
    return lambda w, s: rounded(w, bits, size, symmetric).astype(np.float32)


def reference(
    x: np.ndarray, ws: list[np.ndarray], bits: int, size: int, *, symmetric: bool
) -> tuple[np.ndarray, list[float]]:
    """Equations 4 and 5 over all tokens: the best s, and the loss at every ratio."""
    mean = np.abs(x).mean(axis=0)
    losses, tried = [], []
    for k in range(20):
        s = np.maximum(mean ** (k / 20), 1e-4)
        s /= np.sqrt(s.max() * s.min())
        error = [(x / s) @ rounded(w * s, bits, size, symmetric).T - x @ w.T for w in ws]
        losses.append(sum(float(np.sum(each**2)) for each in error))
        tried.append(s)
    return tried[int(np.argmin(losses))], losses


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("bits", "size", "channels"), [(4, 32, 64), (3, 16, 64), (2, 32, 48), (4, 64, 64)])
def test_the_scales_of_equation_5(bits: int, size: int, channels: int, symmetric: bool) -> None:
    rng = np.random.default_rng(bits)
    x = correlated(bits, channels=channels)
    ws = [rng.standard_normal((n, channels)).astype(np.float32) for n in (24, 40)]
    columns = np.arange(channels)
    energy = energy_of(x.T @ x)
    quantize = covering(bits, size, symmetric)
    readers = [Reader(W=w, columns=columns, energy=energy, rounded=quantize) for w in ws]
    s, share = search_scales(readers, np.abs(x).mean(axis=0))
    wanted, losses = reference(x, ws, bits, size, symmetric=symmetric)
    np.testing.assert_allclose(s, wanted, rtol=1e-6)
    assert share == pytest.approx(min(losses) / losses[0], rel=1e-3)
    assert share < 0.8


def test_layers_that_read_one_channel_twice_share_its_factor() -> None:
    """Each of two heads of values is read by two heads: s of a channel is one number."""
    x = correlated(7, channels=8, outliers=1)
    columns = np.repeat(np.arange(8).reshape(2, 4), 2, axis=0).reshape(-1)
    w = np.random.default_rng(0).standard_normal((12, 16)).astype(np.float32)
    wide = x[:, columns]
    quantize = covering(3, 16)
    reader = Reader(W=w, columns=columns, energy=energy_of(wide.T @ wide), rounded=quantize)
    s, share = search_scales([reader], np.abs(x).mean(axis=0))
    assert s.shape == (8,)
    across = s[columns].astype(np.float32)
    error = (quantize(w * across, across) / across - w) @ wide.T
    plain = (quantize(w, np.ones(16)) - w) @ wide.T
    assert np.sum(error**2) == pytest.approx(share * np.sum(plain**2), rel=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from((8, 24, 64)))
def test_the_energy_is_that_of_the_outputs(seed: int, rank: int) -> None:
    """Exact with as many columns as channels; near for errors like those of rounding with fewer."""
    x = correlated(seed, tokens=300)
    d = np.random.default_rng(seed).uniform(-1, 1, (200, 64)).astype(np.float32)
    real = float(np.sum((d @ x.T) ** 2))
    found = lost_energy(d, energy_of(x.T @ x, rank))
    assert found == pytest.approx(real, rel=1e-4 if rank == 64 else 0.15)


def test_a_gram_matrix_of_few_tokens_needs_few_columns() -> None:
    x = np.random.default_rng(0).standard_normal((5, 40))
    energy = energy_of(x.T @ x)
    assert energy.factor.shape == (40, 5)
    assert energy.rest.max() < 1e-5
    nothing = energy_of(np.zeros((6, 6)))
    assert nothing.factor.shape == (6, 0)
    assert lost_energy(np.ones((2, 6), np.float32), nothing) == 0.0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([k / 20 for k in range(20)]), st.floats(1e-3, 1e3))
def test_factors_are_centred_and_free_of_units(seed: int, alpha: float, unit: float) -> None:
    x = np.random.default_rng(seed).uniform(0.01, 5, 9)
    s = scales_of(x, alpha)
    assert s.max() * s.min() == pytest.approx(1.0)
    np.testing.assert_allclose(scales_of(x * unit, alpha), s, rtol=1e-9)
    np.testing.assert_allclose(s / s[0], (x / x[0]) ** alpha, rtol=1e-9)


def test_dead_channels_bring_no_infinity() -> None:
    x = np.array([0.0, 1.0, 3.0])
    s = scales_of(x, 0.95)
    assert np.isfinite(s).all()
    assert s.min() > 0.0
    np.testing.assert_array_equal(scales_of(np.zeros(3), 0.5), np.ones(3))


def test_even_channels_are_left_alone() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.choice([-1.0, 1.0], (4000, 32)), rng.standard_normal((64, 32)).astype(np.float32)
    reader = Reader(W=w, columns=np.arange(32), energy=energy_of(x.T @ x), rounded=covering(4, 32))
    s, share = search_scales([reader], np.abs(x).mean(axis=0))
    np.testing.assert_array_equal(s, np.ones(32))
    assert share == 1.0


def test_what_rounds_is_told_the_factors() -> None:
    x = correlated(3)
    seen: list[np.ndarray] = []

    def quantize(w: np.ndarray, s: np.ndarray) -> np.ndarray:
        seen.append(s)
        np.testing.assert_allclose(w, np.broadcast_to(s, w.shape), rtol=1e-6)
        return w

    reader = Reader(W=np.ones((4, 64), np.float32), columns=np.arange(64), energy=energy_of(x.T @ x), rounded=quantize)
    search_scales([reader], np.abs(x).mean(axis=0))
    assert len(seen) == 20
    np.testing.assert_array_equal(seen[0], np.ones(64))


def test_a_layer_that_stays_float_asks_for_nothing() -> None:
    x = correlated(3)
    w = np.ones((4, 64), np.float32)
    reader = Reader(W=w, columns=np.arange(64), energy=energy_of(x.T @ x), rounded=None)
    s, share = search_scales([reader], np.abs(x).mean(axis=0))
    np.testing.assert_array_equal(s, np.ones(64))
    assert share == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from((2, 3, 4)))
def test_what_is_kept_is_counted_on_tokens(seed: int, bits: int) -> None:
    """Over all layers that read X, each with inputs of its own, whatever their size."""
    rng = np.random.default_rng(seed)
    xs = [correlated(seed), 7.0 * correlated(seed + 1)]
    ws = [rng.standard_normal((n, 64)).astype(np.float32) for n in (24, 40)]
    columns = [np.arange(64), np.arange(64)[::-1].copy()]
    s, quantize = rng.uniform(0.2, 5.0, 64), covering(bits, 16)
    lost = np.zeros(2)
    for x, w, of_each in zip(xs, ws, columns, strict=True):
        for k, across in enumerate((np.ones(64), s[of_each])):
            lost[k] += float(np.square((x / across) @ rounded(w * across, bits, 16, True).T - x @ w.T).sum())
    layers = [(w, of_each, x.T @ x, quantize) for x, w, of_each in zip(xs, ws, columns, strict=True)]
    assert share_kept(layers, s) == pytest.approx(lost[1] / lost[0], rel=1e-3)


def test_nothing_is_kept_where_nothing_is_rounded_or_met() -> None:
    w, columns, s = np.ones((4, 8), np.float32), np.arange(8), np.linspace(0.5, 2, 8)
    assert share_kept([], s) == 1.0
    assert share_kept([(w, columns, np.zeros((8, 8)), covering(2, 8))], s) == 1.0
    assert share_kept([(w, columns, np.eye(8), lambda w, s: w)], np.ones(8)) == 1.0
