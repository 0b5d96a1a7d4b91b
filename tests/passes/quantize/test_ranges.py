"""Ranges from counts, against searches and sums written down plainly over the elements themselves."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.observe.counts import Tally, codes_of
from edgec.passes.observe.statistics import Histogram
from edgec.passes.quantize import ranges
from edgec.passes.quantize.params import dequantize, from_range, quantize
from edgec.passes.quantize.ranges import METHODS, range_by
from edgec.passes.quantize.ranges_noise import Noise
from edgec.passes.spec import QuantSpec

U8 = QuantSpec(dtype="uint8", symmetric=False)
S8 = QuantSpec(dtype="int8", symmetric=True)
COUNTING = tuple(method for method in METHODS if method not in ("minmax", "moving-average"))

_rng = np.random.default_rng(0)
VALUES = {
    "normal": _rng.standard_normal(40_000),
    "behind Relu": np.maximum(_rng.standard_normal(40_000), 0),
    "heavy tails": _rng.standard_t(2, 40_000),
    "one outlier": np.append(_rng.standard_normal(40_000), 300.0),
    "far from 0": _rng.standard_normal(40_000) * 0.1 + 5,
    "all negative": -np.abs(_rng.standard_normal(40_000)) - 0.5,
}
VALUES = {name: x.astype(np.float32) for name, x in VALUES.items()}


def histogram_of(x: np.ndarray) -> Histogram:
    return Tally(waiting=(codes_of(x),)).histogram()


def chosen(method: str, x: np.ndarray, spec: QuantSpec, percentile: float = 99.9) -> tuple[float, float]:
    return range_by(method, histogram_of(x), spec, float(x.min()), float(x.max()), percentile=percentile)


def errors(x: np.ndarray, spec: QuantSpec, low: float, high: float) -> np.ndarray:
    """What quantizing really does to every element."""
    params = from_range(spec, np.asarray(low), np.asarray(high))
    return np.abs(dequantize(quantize(x, params), params).astype(np.float64) - x)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("spec", [U8, S8], ids=["uint8", "int8"])
def test_noise_is_what_quantizing_does(name: str, spec: QuantSpec) -> None:
    x = VALUES[name]
    noise = Noise.of(histogram_of(x), float(x.min()), float(x.max()))
    for shrink in (1.0, 0.8, 0.5):
        low, high = min(float(x.min()), 0.0) * shrink, max(float(x.max()), 0.0) * shrink
        off = errors(x, spec, low, high)
        for power, expected in ((1, off.sum()), (2, (off**2).sum())):
            found = float(noise.at(spec, np.asarray(low), np.asarray(high), power=power))
            # The extremes count once more, as elements a selection may have missed.
            assert found == pytest.approx(expected, rel=0.12, abs=2 * off.max() ** power)


def test_noise_counted_by_hand() -> None:
    """Elements 0, 1, 1, 10 with int8 over [-4, 4]: s = 4 / 127; two are rounded, one is cut by 6."""
    histogram = Histogram(edges=np.array([-1e-9, 1e-9, 1.0, 1.0 + 1e-9]), counts=np.array([1, 0, 2]))
    noise = Noise.of(histogram, 0.0, 10.0)
    step = 4 / 127
    four = np.asarray(4.0)
    assert float(noise.at(S8, -four, four)) == pytest.approx(2 * step**2 / 12 + 36)
    assert float(noise.at(S8, -four, four, power=1)) == pytest.approx(2 * step / 4 + 6)
    assert float(noise.at(S8, -four, four, clipping=3.0)) == pytest.approx(2 * step**2 / 12 + 108)


@pytest.mark.parametrize("name", VALUES)
def test_noise_behind_a_leaky_relu_is_what_is_left_there(name: str) -> None:
    x = VALUES[name]
    noise = Noise.of(histogram_of(x), float(x.min()), float(x.max()), slope=0.1)
    for left, right in ((1.0, 1.0), (0.3, 0.9), (0.1, 0.5)):
        low, high = min(float(x.min()), 0.0) * left, max(float(x.max()), 0.0) * right
        off = errors(x, U8, low, high) * np.where(x < 0, 0.1, 1.0)
        for power, expected in ((1, off.sum()), (2, (off**2).sum())):
            found = float(noise.at(U8, np.asarray(low), np.asarray(high), power=power))
            assert found == pytest.approx(expected, rel=0.12, abs=2 * off.max() ** power)


@pytest.mark.parametrize("method", ["mse", "sqnr"])
def test_what_a_leaky_relu_shrinks_is_given_less_of_the_range(method: str) -> None:
    x = VALUES["normal"]
    histogram, low, high = histogram_of(x), float(x.min()), float(x.max())
    plain = range_by(method, histogram, U8, low, high, percentile=99.9)
    found = range_by(method, histogram, U8, low, high, percentile=99.9, slope=0.1)
    assert plain[0] < 1.2 * found[0] < 0 < 0.95 * plain[1] < found[1]

    def behind(bounds: tuple[float, float]) -> float:
        return float(np.square(errors(x, U8, *bounds) * np.where(x < 0, 0.1, 1.0)).mean())

    assert behind(found) < behind(plain)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("spec", [U8, S8], ids=["uint8", "int8"])
def test_mse_finds_what_a_plain_search_finds(name: str, spec: QuantSpec) -> None:
    x = VALUES[name]
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    shrinks = np.geomspace(1, 0.02, 60)
    if spec.symmetric:
        reach = max(-low, high)
        plain = min((errors(x, spec, -r * reach, r * reach) ** 2).mean() for r in shrinks)
    else:
        few = shrinks[::3]
        plain = min((errors(x, spec, a * low, b * high) ** 2).mean() for a in few for b in few)
    ours = (errors(x, spec, *chosen("mse", x, spec)) ** 2).mean()
    assert ours <= 1.05 * plain


@pytest.mark.parametrize("spec", [U8, S8], ids=["uint8", "int8"])
@pytest.mark.parametrize("name", VALUES)
def test_percentile_is_numpy_s_quantile(name: str, spec: QuantSpec) -> None:
    x = VALUES[name].astype(np.float64)
    low, high = chosen("percentile", VALUES[name], spec, percentile=99.0)
    if spec.symmetric:
        reach = np.quantile(np.abs(x), 0.99)
        expected = max(-reach, min(x.min(), 0)), min(reach, max(x.max(), 0))
    else:
        expected = min(np.quantile(x, 0.005), 0.0), max(np.quantile(x, 0.995), 0.0)
    assert (low, high) == pytest.approx(expected, rel=0.02, abs=1e-6)


def test_entropy_against_a_plain_divergence() -> None:
    """TensorRT's loop as its slides have it, for magnitudes: 2048 bins, 256 levels, every 16th threshold."""
    x = VALUES["behind Relu"]
    high = float(x.max())
    counts, _ = np.histogram(x.astype(np.float64), bins=2048, range=(0, high))
    best, found = np.inf, 0
    for i in range(2048, 255, -16):
        p = counts[:i].astype(np.float64)
        p[-1] += counts[i:].sum()
        q = np.zeros(i)
        for level in range(256):
            inside = list(range(-(-level * i // 256), -(-(level + 1) * i // 256)))  # k * 256 // i == level
            filled = [k for k in inside if p[k] > 0]
            for k in filled:
                q[k] = counts[inside].sum() / len(filled)
        keep = p > 0
        p, q = p / p.sum(), np.maximum(q / q.sum(), 1e-12)
        divergence = float((p[keep] * np.log(p[keep] / q[keep])).sum())
        if divergence < best:
            best, found = divergence, i
    low, ours = chosen("entropy", x, U8)
    assert low == 0.0
    assert ours == pytest.approx(found / 2048 * high, rel=0.1)


def test_clipping_weighs_more_in_sqnr_than_in_mse() -> None:
    for name in ("normal", "heavy tails"):
        widths = [np.subtract(*reversed(chosen(method, VALUES[name], U8))) for method in ("mse", "sqnr")]
        assert widths[0] < widths[1]


def test_auto_sheds_a_stray_outlier_and_keeps_what_carries_the_signal() -> None:
    stray = np.append(np.tile(VALUES["normal"], 10), np.float32(8.0))
    assert chosen("auto", stray, U8)[1] < 5
    carrying = np.concatenate([VALUES["normal"] * 0.01, np.full(40, 300, np.float32)])
    assert chosen("auto", carrying, U8)[1] == 300.0


@pytest.mark.parametrize("method", COUNTING)
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("spec", [U8, S8], ids=["uint8", "int8"])
def test_no_range_leaves_the_extremes(method: str, name: str, spec: QuantSpec) -> None:
    x = VALUES[name]
    low, high = chosen(method, x, spec)
    assert min(float(x.min()), 0.0) <= low <= 0.0 <= high <= max(float(x.max()), 0.0)
    assert low < high


SAMPLES = st.tuples(
    st.integers(0, 2**32), st.sampled_from(["normal", "t", "uniform", "lognormal"]), st.integers(1, 3000)
)


@given(SAMPLES, st.sampled_from([U8, S8]), st.sampled_from(["mse", "sqnr", "auto"]))
@settings(deadline=None, max_examples=60)
def test_what_is_searched_is_never_noisier_than_the_extremes(seeded, spec, method) -> None:
    seed, kind, size = seeded
    rng = np.random.default_rng(seed)
    draws = {"normal": rng.normal, "uniform": rng.uniform, "lognormal": lambda size: rng.lognormal(0, 2, size)}
    x = (rng.standard_t(1.5, size) if kind == "t" else draws[kind](size=size)).astype(np.float32)
    noise = Noise.of(histogram_of(x), float(x.min()), float(x.max()))
    low, high = chosen(method, x, spec)
    squared, absolute = (
        [
            float(noise.at(spec, np.asarray(a), np.asarray(b), power=power))
            for a, b in ((low, high), (noise.low, noise.high))
        ]
        for power in (2, 1)
    )
    assert squared[0] <= squared[1] * (1 + 1e-9)
    if method == "auto":
        assert absolute[0] <= absolute[1] * (1 + 1e-9)


@given(st.floats(1e-30, 1e30), st.sampled_from(COUNTING))
@settings(deadline=None)
def test_ranges_scale_with_their_values(factor: float, method: str) -> None:
    x = VALUES["heavy tails"][:2000]
    power = np.float32(2.0 ** np.floor(np.log2(factor)))
    plain, scaled = (chosen(method, each, U8) for each in (x, x * power))
    assert np.array(scaled) / float(power) == pytest.approx(np.array(plain), rel=1e-6)


@pytest.mark.parametrize("method", COUNTING)
def test_zeros_and_a_single_value(method: str) -> None:
    assert chosen(method, np.zeros(9, np.float32), U8) == (0.0, 0.0)
    low, high = chosen(method, np.full(9, 2.0, np.float32), U8)
    assert low == 0.0
    assert high == pytest.approx(2.0, rel=0.01)


def test_a_method_that_needs_no_counts() -> None:
    with pytest.raises(ValueError, match=r"^method: 'minmax' needs no histogram$"):
        chosen("minmax", VALUES["normal"], U8)


def test_one_histogram_is_searched_once_for_each_question(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, other = histogram_of(VALUES["normal"]), histogram_of(VALUES["heavy tails"])
    fresh = range_by("mse", counted, U8, -4.0, 4.0, percentile=99.9)
    asked: list[object] = []

    def count(method: str, histogram: Histogram, *rest: object, **options: object) -> tuple[float, float]:
        asked.append((method, histogram))
        return -1.0, 1.0

    monkeypatch.setattr("edgec.passes.quantize.ranges._chosen", count)
    assert range_by("mse", counted, U8, -4.0, 4.0, percentile=99.9) == fresh
    assert not asked
    for method, histogram, spec, high, slope in [
        ("sqnr", counted, U8, 4.0, 1.0),
        ("mse", other, U8, 4.0, 1.0),
        ("mse", counted, S8, 4.0, 1.0),
        ("mse", counted, U8, 3.0, 1.0),
        ("mse", counted, U8, 4.0, 0.1),
    ]:
        assert range_by(method, histogram, spec, -4.0, high, percentile=99.9, slope=slope) == (-1.0, 1.0)
    assert len(asked) == 5


def test_what_is_known_of_a_histogram_goes_with_it() -> None:
    counted = histogram_of(VALUES["normal"])
    range_by("mse", counted, U8, -4.0, 4.0, percentile=99.9)
    before = len(ranges._known)
    del counted
    gc.collect()
    assert len(ranges._known) < before
