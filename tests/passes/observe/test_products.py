"""XᵀX measured in the graph is that of the rows a node multiplies its weight with."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.numerics import run
from support.recipes import observe

from edgec.passes.observe.instrument import instrument
from edgec.passes.observe.products import ProductsProbe
from edgec.passes.observe.statistics import Gram, Need, Products, Window


def patches(x: np.ndarray, window: Window) -> np.ndarray:
    """Rows of every group, (groups, rows, k), cut out with loops."""
    spatial = len(window.kernel)
    begin, end = window.pads[:spatial], window.pads[spatial:]
    x = np.pad(x, [(0, 0), (0, 0), *zip(begin, end, strict=True)])
    reach = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilations, strict=True)]
    places = [range(0, size - r + 1, s) for size, r, s in zip(x.shape[2:], reach, window.strides, strict=True)]
    per = x.shape[1] // window.group
    groups = []
    for g in range(window.group):
        rows = []
        for n in range(len(x)):
            for place in itertools.product(*places):
                cut = tuple(slice(p, p + r, d) for p, r, d in zip(place, reach, window.dilations, strict=True))
                rows.append(x[(n, slice(g * per, (g + 1) * per), *cut)].reshape(-1))
        groups.append(np.stack(rows))
    return np.stack(groups)


WINDOWS = {
    "pointwise": Window(kernel=(1, 1), strides=(1, 1), dilations=(1, 1), pads=(0, 0, 0, 0), group=1),
    "pointwise, strided": Window(kernel=(1, 1), strides=(2, 2), dilations=(1, 1), pads=(0, 0, 0, 0), group=1),
    "pointwise, grouped": Window(kernel=(1, 1), strides=(1, 1), dilations=(1, 1), pads=(0, 0, 0, 0), group=2),
    "plain": Window(kernel=(3, 3), strides=(1, 1), dilations=(1, 1), pads=(1, 1, 1, 1), group=1),
    "uneven": Window(kernel=(2, 3), strides=(2, 1), dilations=(1, 2), pads=(0, 1, 2, 0), group=1),
    "grouped": Window(kernel=(3, 3), strides=(2, 2), dilations=(1, 1), pads=(1, 1, 1, 1), group=2),
    "depthwise": Window(kernel=(3, 3), strides=(1, 1), dilations=(1, 1), pads=(1, 1, 1, 1), group=4),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("optimize", [False, True])
def test_what_a_conv_reads(name: str, optimize: bool) -> None:
    source = model("g (float[N,4,7,6] x) => (float[N,4,7,6] y) { y = Relu(x) }")
    window = WINDOWS[name]
    samples = [feeds_of(source, seed=seed) for seed in range(3)]
    need = Need(value="x", statistic=Products(window=window))
    found = observe(source, [need], samples, optimize=optimize)[need]
    rows = np.concatenate([patches(feeds["x"], window) for feeds in samples], axis=1).astype(np.float64)
    assert found.rows == rows.shape[1]
    assert found.matrix.dtype == np.float64
    np.testing.assert_allclose(found.matrix, rows.transpose(0, 2, 1) @ rows, rtol=1e-5, atol=1e-4)


def test_the_order_is_that_of_the_flattened_weight() -> None:
    """W G Wᵀ is the sum of squares of what the Conv writes."""
    source = model(
        "g (float[N,6,7,7] x) => (float[N,4,7,7] y) { y = Conv<group=2,pads=[1,1,1,1]>(x, w) }", w=weights(4, 3, 3, 3)
    )
    feeds = feeds_of(source)
    window = Window(kernel=(3, 3), strides=(1, 1), dilations=(1, 1), pads=(1, 1, 1, 1), group=2)
    need = Need(value="x", statistic=Products(window=window))
    gram = observe(source, [need], [feeds])[need].matrix
    rows = weights(4, 3, 3, 3).reshape(2, 2, -1).astype(np.float64)
    squares = np.einsum("gok,gkl,gol->go", rows, gram, rows).reshape(-1)
    np.testing.assert_allclose(squares, (run(source, feeds)["y"] ** 2).sum((0, 2, 3)), rtol=1e-4)


def test_in_one_dimension() -> None:
    source = model("g (float[N,4,9] x) => (float[N,4,9] y) { y = Relu(x) }")
    window = Window(kernel=(3,), strides=(2,), dilations=(2,), pads=(2, 1), group=4)
    feeds = feeds_of(source)
    need = Need(value="x", statistic=Products(window=window))
    rows = patches(feeds["x"], window)
    found = observe(source, [need], [feeds])[need]
    np.testing.assert_allclose(found.matrix, rows.transpose(0, 2, 1) @ rows, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", ["5", "N,5", "N,3,5", "N,2,3,5"])
def test_what_a_matmul_reads(shape: str) -> None:
    source = model(f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Relu(x) }}")
    samples = [feeds_of(source, seed=seed) for seed in range(3)]
    need = Need(value="x", statistic=Products())
    found = observe(source, [need], samples)[need]
    rows = np.concatenate([feeds["x"].reshape(-1, 5) for feeds in samples]).astype(np.float64)
    assert (found.matrix.shape, found.rows) == ((1, 5, 5), len(rows))
    np.testing.assert_allclose(found.matrix[0], rows.T @ rows, rtol=1e-5, atol=1e-5)


@given(st.permutations(range(5)))
def test_runs_may_finish_in_any_order(order: list[int]) -> None:
    """Integers up to 2^24 are exact in float32 and their sums in float64."""
    rng = np.random.default_rng(0)
    probe = ProductsProbe(need=Need(value="x", statistic=Products()), products="p", shape="s")
    runs = [rng.integers(0, 1 << 20, (2, 3, 3)).astype(np.float32) for _ in range(5)]

    def total(indices: list[int]) -> Gram:
        left = Gram(matrix=runs[indices[0]], rows=1)
        for index in indices[1:]:
            left = probe.merge(left, Gram(matrix=runs[index], rows=1))
        return probe.read(left)[0]

    assert np.array_equal(total(list(order)).matrix, np.sum(runs, axis=0, dtype=np.float64))
    assert total(list(order)).rows == 5


def test_what_cannot_be_measured_says_so() -> None:
    source = model("g (float[N,C,4,4] x) => (float y) { a = Relu(x) \n y = ReduceMax<keepdims=0>(a) }", infer=False)
    with pytest.raises(ValueError, match=r"^value 'a': XᵀX needs its rank, which is unknown$"):
        instrument(source.clone(), [Need(value="a", statistic=Products())])
    with pytest.raises(ValueError, match=r"^value 'x': patches need its number of channels, which is unknown$"):
        instrument(source.clone(), [Need(value="x", statistic=Products(window=WINDOWS["plain"]))])
