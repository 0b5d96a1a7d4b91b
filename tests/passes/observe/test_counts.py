"""Counts are exact, to 8 significant bits, whatever the order, the scale and the pieces they were counted in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import observe

from edgec.passes.observe import counts as counts_module
from edgec.passes.observe.counts import Tally, codes_of
from edgec.passes.observe.instrument import instrument
from edgec.passes.observe.statistics import Counts, Histogram, Need
from edgec.passes.observe.strided import stride_of

FLOATS = arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32, allow_nan=False))


def tally(x: np.ndarray) -> Tally:
    return Tally(waiting=(codes_of(x),))


def expected(x: np.ndarray, found: Histogram) -> np.ndarray:
    """Counts of finite elements one by one: above 0 a bin holds its lower border, below 0 its upper one."""
    counts = np.zeros(found.counts.size, np.int64)
    for each in x[np.isfinite(x)].astype(np.float64):
        side = "right" if each >= 0 else "left"
        counts[np.searchsorted(found.edges, each, side=side) - 1] += 1
    return counts


@given(FLOATS)
def test_every_finite_element_is_in_its_bin(x: np.ndarray) -> None:
    found = tally(x).histogram()
    assert (np.diff(found.edges) > 0).all()
    assert (found.edges.dtype, found.counts.dtype) == (np.float64, np.int64)
    assert found.counts.sum() == np.isfinite(x).sum()
    assert np.array_equal(found.counts, expected(x, found))


@given(FLOATS)
def test_bins_have_eight_significant_bits(x: np.ndarray) -> None:
    found = tally(x).histogram()
    low, high = found.edges[:-1][found.counts > 0], found.edges[1:][found.counts > 0]
    farther, nearer = np.maximum(abs(low), abs(high)), np.minimum(abs(low), abs(high))
    normal = nearer >= 2.0**-126
    assert (farther[normal] - nearer[normal] <= nearer[normal] / 128).all()


def test_the_bin_of_zero() -> None:
    found = tally(np.array([0.0, -0.0, 1.0, -2.0, 1e-40], np.float32)).histogram()
    zero = int(np.searchsorted(found.edges, 0.0)) - 1
    assert found.edges[zero : zero + 2].tolist() == [-(2.0**-133), 2.0**-133]
    assert found.counts[zero] == 2
    assert found.edges[-2:].tolist() == [1.0, 1 + 1 / 128]
    assert found.edges[:2].tolist() == [-2 - 1 / 64, -2.0]
    assert found.counts.sum() == 5


def test_infinities_and_nan_are_left_out() -> None:
    found = tally(np.array([np.inf, -np.inf, np.nan, 3.4e38], np.float32)).histogram()
    assert found.counts.sum() == 1
    assert found.edges[-1] == 2.0**128


def test_nothing_at_all() -> None:
    found = Tally().histogram()
    assert (found.edges.size, found.counts.tolist()) == (2, [0])


@given(st.lists(FLOATS, max_size=5), st.randoms(use_true_random=False), st.integers(1, 20))
@settings(deadline=None)
def test_runs_may_finish_in_any_order_and_be_counted_in_any_pieces(runs, random, piece) -> None:
    whole = tally(np.concatenate([np.empty(0, np.float32), *runs])).histogram()
    shuffled = [tally(x) for x in random.sample(runs, len(runs))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts_module, "_PIECE", piece)
        while len(shuffled) > 1:  # any tree of merges
            left, right = shuffled.pop(), shuffled.pop(random.randrange(len(shuffled)))
            shuffled.append(left.merge(right))
        merged = (shuffled[0] if shuffled else Tally()).histogram()
    assert np.array_equal(merged.edges, whole.edges)
    assert np.array_equal(merged.counts, whole.counts)


def test_few_codes_wait() -> None:
    total = Tally()
    for seed in range(200):
        total = total.merge(tally(weights(1000, seed=seed)))
        assert sum(codes.size for codes in total.waiting) < 1 << 16
    assert total.histogram().counts.sum() == 200_000


CONVNET = """g (float[N,3,9,8] x) => (float[N,4,9,8] y) {
    a = Conv<pads=[1,1,1,1]>(x, w)
    y = Relu(a)
}"""


@pytest.mark.parametrize("elements", [None, 10_000])
def test_all_elements_of_all_samples(elements: int | None) -> None:
    source = model(CONVNET, w=weights(4, 3, 3, 3))
    samples = [feeds_of(source, seed=seed) for seed in range(3)]
    needs = [Need(value=name, statistic=Counts(elements=elements)) for name in ("x", "y")]
    found = observe(source, needs, samples, optimize=False)
    for need, arrays_ in zip(needs, ([f["x"] for f in samples], [run(source, f)["y"] for f in samples]), strict=True):
        whole = tally(np.concatenate([a.reshape(-1) for a in arrays_])).histogram()
        assert np.array_equal(found[need].edges, whole.edges)
        assert np.array_equal(found[need].counts, whole.counts)


@pytest.mark.parametrize(
    ("shape", "step"),
    [
        ("N,4,9,8", 23),  # 288 / 12 = 24, and 23 is coprime to 288
        ("1,4,9,8", 23),
        ("N,4,9,W", 25),  # unknown before the run: the nearest 6 n + 1
        ("2,4,9,8", 49),  # the first axis is not known to be that of samples: 576 / 12 = 48
    ],
)
def test_a_budget_of_elements_is_spread_evenly(shape: str, step: int) -> None:
    source = model(f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Relu(x) }}")
    feeds = feeds_of(source, sizes={"W": 8})
    need = Need(value="x", statistic=Counts(elements=12))
    rows = feeds["x"].reshape(-1, 288) if step != 49 else feeds["x"].reshape(1, -1)
    found = observe(source, [need], [feeds])[need]
    whole = tally(rows[:, ::step]).histogram()
    assert np.array_equal(found.edges, whole.edges)
    assert np.array_equal(found.counts, whole.counts)


def test_rows_that_are_no_samples_share_the_budget() -> None:
    """[N * T, C] behind a Reshape: 12 elements of each of 2 samples, not of each row."""
    source = model(
        "g (float[N,16,6] x) => (float[M,6] y) { f = Reshape(x, s) \n y = Relu(f) }", s=np.array([-1, 6], np.int64)
    )
    need = Need(value="y", statistic=Counts(elements=12))
    assert observe(source, [need], [feeds_of(source)])[need].counts.sum() == len(range(0, 192, 7))


def test_a_batch_shows_what_its_samples_show_alone() -> None:
    source = model("g (float[N,3,7,5] x) => (float[N,3,7,5] y) { y = Neg(x) }")
    need = Need(value="y", statistic=Counts(elements=9))
    both = feeds_of(source)
    apart = [{"x": both["x"][:1]}, {"x": both["x"][1:]}]
    together, alone = (observe(source, [need], samples)[need] for samples in ([both], apart))
    assert np.array_equal(together.edges, alone.edges)
    assert np.array_equal(together.counts, alone.counts)


@pytest.mark.parametrize("kind", ["float", "float[N]", "float[0,4]", "float[N,0]"])
def test_scalars_vectors_and_nothing(kind: str) -> None:
    source = model(f"g ({kind} x) => ({kind} y) {{ y = Relu(x) }}")
    feeds = feeds_of(source)
    for elements in (None, 1):
        need = Need(value="x", statistic=Counts(elements=elements))
        assert observe(source, [need], [feeds])[need].counts.sum() == feeds["x"].size


def test_a_value_of_unknown_rank() -> None:
    source = model("g (float[N,4,6,6] x) => (float y) { a = Relu(x) \n y = ReduceMax<keepdims=0>(a) }", infer=False)
    need = Need(value="a", statistic=Counts(elements=10_000))
    assert observe(source, [need], [feeds_of(source)])[need].counts.sum() == 288


@given(st.integers(1, 100_000), st.integers(1, 5000))
def test_steps_miss_no_channel(size: int, elements: int) -> None:
    step = stride_of(size, elements)
    assert np.gcd(step, size) == 1
    assert len(range(0, size, step)) >= min(size, elements)


def test_only_the_selection_leaves_the_graph() -> None:
    clone = model(CONVNET, w=weights(4, 3, 3, 3))
    (probe,) = instrument(clone, [Need(value="y", statistic=Counts(elements=12))])
    assert run(clone, feeds_of(clone))[probe.selected].shape == (2, len(range(0, 288, 23)))
