"""Noise of factors against sums written down one by one, its gradient against differences, and what the factors buy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.rewrite.balancing import Product, Rounded, balance, gains, noise

BITS = {"activation_bits": 8, "weight_bits": 8}


def chain(*, seed: int = 0, spread: float = 20.0, dense: bool = True) -> list[Rounded | Product]:
    """x (pinned) → product → value of 6 free channels → product of 4 pinned outputs; dense, or one tap per channel."""
    rng = np.random.default_rng(seed)
    free, pinned = np.arange(1, 7), np.zeros(6, np.int64)
    reach = np.geomspace(1.0, spread, 6)
    value = Rounded(labels=free, low=-0.1 * reach, high=reach)
    first = rng.standard_normal((1, 6, 6, 1)).astype(np.float32)
    write = Product(rows=free[None], columns=pinned[None], weight=first, power=np.ones((1, 6)))
    if dense:
        w = rng.standard_normal((1, 4, 6, 9)).astype(np.float32)
        read = Product(rows=pinned[None, :4], columns=free[None], weight=w, power=value.power[None])
    else:
        w = rng.standard_normal((6, 1, 1, 9)).astype(np.float32)
        read = Product(rows=pinned[:, None], columns=free[:, None], weight=w, power=value.power[:, None])
    return [write, value, read]


def weighed(steps: list[Rounded | Product], count: int = 7) -> tuple[list, list]:
    every = list(zip(steps, gains(steps, count), strict=True))
    values = [(step, gain) for step, gain in every if isinstance(step, Rounded)]
    layers = [(step, np.abs(step.weight).max(axis=3), gain) for step, gain in every if isinstance(step, Product)]
    return values, layers


def test_gains_by_hand() -> None:
    """One channel read with weights 3 and 4 by outputs of signal 1^2 (9 + 16): noise of 1 is all of the signal."""
    value = Rounded(labels=np.array([1]), low=np.array([0.0]), high=np.array([5.0]))  # a fifth of it: power 1
    w = np.array([3.0, 4.0], np.float32).reshape(1, 2, 1, 1)
    read = Product(rows=np.zeros((1, 2), np.int64), columns=np.array([[1]]), weight=w, power=value.power[None])
    twice = np.full((1, 1, 1, 1), 2.0, np.float32)
    write = Product(rows=np.array([[1]]), columns=np.zeros((1, 1), np.int64), weight=twice, power=np.ones((1, 1)))
    of_write, of_value, of_read = gains([write, value, read], 2)
    np.testing.assert_allclose(of_read, [[1 / 25, 1 / 25]])
    np.testing.assert_allclose(of_value, [1.0])
    np.testing.assert_allclose(of_write, [[1.0]])


def test_noise_summed_one_by_one() -> None:
    steps = chain()
    values, layers = weighed(steps)
    log_s = np.random.default_rng(1).standard_normal(7)
    s = np.exp(log_s)
    s[0] = 1.0
    (value, gain), (read, _, beyond) = values[0], layers[1]
    high, low = value.high / s[1:], value.low / s[1:]
    exact = ((high.max() - low.min()) / 255) ** 2 / 12 * (s[1:] ** 2 * gain).sum()
    for o in range(4):
        step = np.abs(read.weight[0, o] * s[1:, None]).max() / 127
        exact += beyond[0, o] * step**2 / 12 * sum(9 * read.power[0, i] / s[1 + i] ** 2 for i in range(6))
    first, _, fed = layers[0]
    for o in range(6):
        exact += fed[0, o] * (np.abs(first.weight[0, o]).max() / 127) ** 2 / 12 * 6
    found, _ = noise(log_s, values, layers, per_channel=True, **BITS)
    # The maximum over channels is a norm: never below, and at most a fifth above for this few.
    assert (1 - 1e-6) * exact <= found <= 1.2**2 * exact


def test_one_step_for_all_rows_is_that_of_the_widest() -> None:
    _, layers = weighed(chain())
    read, peak, gain = layers[1]
    found, _ = noise(np.zeros(7), [], [layers[1]], per_channel=False, **BITS)
    assert found == pytest.approx(gain.sum() * (peak.max() / 127) ** 2 / 12 * 9 * read.power.sum())


@pytest.mark.parametrize("per_channel", [True, False])
@given(seed=st.integers(0, 1000), dense=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_gradient_is_that_of_differences(per_channel: bool, seed: int, dense: bool) -> None:
    values, layers = weighed(chain(seed=seed, dense=dense))
    rng = np.random.default_rng(seed)
    log_s, way = rng.standard_normal(7), rng.standard_normal(7)
    way[0] = 0.0

    def at(t: float) -> float:
        return noise(log_s + t * way, values, layers, per_channel=per_channel, **BITS)[0]

    _, slope = noise(log_s, values, layers, per_channel=per_channel, **BITS)
    assert slope[0] == 0.0
    assert slope @ way == pytest.approx((at(1e-6) - at(-1e-6)) / 2e-6, rel=1e-3, abs=1e-9 * at(0.0))


@given(seed=st.integers(0, 1000), dense=st.booleans(), spread=st.floats(1.0, 100.0))
@settings(max_examples=25, deadline=None)
def test_factors_are_positive_and_never_noisier(seed: int, dense: bool, spread: float) -> None:
    steps = chain(seed=seed, dense=dense, spread=spread)
    s = balance(steps, 7, per_channel=True, sweeps=100, **BITS)
    assert s[0] == 1.0
    assert np.all(s > 0)
    values, layers = weighed(steps)
    before, _ = noise(np.zeros(7), values, layers, per_channel=True, **BITS)
    after, _ = noise(np.log(s), values, layers, per_channel=True, **BITS)
    assert after <= before * (1 + 1e-9)


def test_depthwise_readers_let_every_channel_fill_the_range() -> None:
    """A row of one input has a scale for it alone: channels end up reaching equally far."""
    steps = chain(dense=False)
    s = balance(steps, 7, per_channel=True, sweeps=300, **BITS)
    value = steps[1]
    assert isinstance(value, Rounded)
    reach = value.high / s[1:]
    assert reach.max() / reach.min() < 1.3  # of 20


def test_a_channel_nobody_writes_is_raised_no_further_than_a_step_of_the_largest() -> None:
    value = Rounded(labels=np.arange(1, 4), low=np.zeros(3), high=np.array([100.0, 0.0, 1e-6]))
    floored = value.floored()
    np.testing.assert_allclose(floored.high, [100.0, 100 / 256, 100 / 256])
    np.testing.assert_allclose(floored.low, 0.0)


def test_nothing_to_balance_is_left_alone() -> None:
    still = Rounded(labels=np.array([1, 2]), low=np.zeros(2), high=np.zeros(2))
    assert balance([still], 3, per_channel=True, sweeps=10, **BITS).tolist() == [1.0, 1.0, 1.0]
    assert balance([], 1, per_channel=True, sweeps=10, **BITS).tolist() == [1.0]
