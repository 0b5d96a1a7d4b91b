"""Means per index are those of all elements of all samples, whatever their lengths."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.recipes import observe

from edgec.passes.observe.instrument import instrument
from edgec.passes.observe.means import MeansProbe, WeightedSum
from edgec.passes.observe.statistics import Means, Need


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
@pytest.mark.parametrize("axis", [1, -3])
def test_channels_of_an_image(opset: int, axis: int) -> None:
    source = model("g (float[N,3,8,8] x) => (float[N,4,6,6] y) { y = Conv(x, w) }", opset=opset, w=weights(4, 3, 3, 3))
    samples = [feeds_of(source, seed=seed) for seed in range(5)]
    need = Need(value="x", statistic=Means(axis=axis))
    every = np.concatenate([feeds["x"] for feeds in samples]).astype(np.float64)
    found = observe(source, [need], samples)[need].mean
    assert (found.dtype, found.shape) == (np.float64, (3,))
    np.testing.assert_allclose(found, every.mean((0, 2, 3)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("opset", [13, 18])
def test_magnitudes(opset: int) -> None:
    source = model("g (float[N,T,3] x) => (float[N,T,3] y) { y = Relu(x) }", opset=opset)
    samples = [feeds_of(source, seed=seed) for seed in range(5)]
    needs = [Need(value="x", statistic=Means(axis=-1, magnitudes=each)) for each in (True, False)]
    every = np.concatenate([feeds["x"] for feeds in samples]).astype(np.float64)
    found = observe(source, needs, samples)
    np.testing.assert_allclose(found[needs[0]].mean, np.abs(every).mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(found[needs[1]].mean, every.mean((0, 1)), rtol=1e-5, atol=1e-7)


def test_long_samples_weigh_more() -> None:
    source = model("g (float[1,T,3] x) => (float[1,T,3] y) { y = Relu(x) }")
    short, long = np.zeros((1, 1, 3), np.float32), np.ones((1, 9, 3), np.float32)
    need = Need(value="y", statistic=Means(axis=-1))
    assert observe(source, [need], [{"x": short}, {"x": long}])[need].mean.tolist() == pytest.approx([0.9] * 3)


def test_an_empty_sample_weighs_nothing() -> None:
    probe = MeansProbe(need=Need(value="x", statistic=Means(axis=2)), axis=2, mean="m", shape="s")
    empty = probe.seen({"m": np.full(3, np.nan, np.float32), "s": np.array([1, 0, 3])})
    full = probe.seen({"m": np.array([1, 2, 3], np.float32), "s": np.array([1, 5, 3])})
    assert probe.read(probe.merge(empty, full))[0].mean.tolist() == [1, 2, 3]
    assert probe.read(empty)[0].mean.tolist() == [0, 0, 0]


@given(st.permutations(range(6)), st.integers(1, 5))
def test_runs_may_finish_in_any_order(order: list[int], channels: int) -> None:
    rng = np.random.default_rng(channels)
    probe = MeansProbe(need=Need(value="x", statistic=Means(axis=1)), axis=1, mean="m", shape="s")
    runs = [
        WeightedSum(sum=rng.integers(-9, 9, channels).astype(np.float64), rows=int(rng.integers(1, 9)))
        for _ in range(6)
    ]

    def total(indices: list[int]) -> np.ndarray:
        left = runs[indices[0]]
        for index in indices[1:]:
            left = probe.merge(left, runs[index])
        return probe.read(left)[0].mean

    assert np.array_equal(total(list(order)), total(list(range(6))))


def test_a_value_of_unknown_rank() -> None:
    source = model("g (float[N,4,6,6] x) => (float y) { a = Relu(x) \n y = ReduceMax<keepdims=0>(a) }", infer=False)
    with pytest.raises(ValueError, match=r"^value 'a': a mean per index needs its rank, which is unknown$"):
        instrument(source, [Need(value="a", statistic=Means(axis=1))])


def test_what_is_asked_twice_is_measured_once() -> None:
    source = model("g (float[N,3] x) => (float[N,3] y) { y = Relu(x) }")
    need = Need(value="x", statistic=Means(axis=1))
    clone: ir.Model = source.clone()
    assert [probe.needs for probe in instrument(clone, [need, need])] == [(need,)]
