from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import model, weights
from support.numerics import optimized_ops, run
from support.rewrites import leaves_alone

from edgec.passes.codebook.product import centers_of, product_codes
from edgec.passes.codebook.product_tables import ProductTables
from edgec.passes.weight_only.decide_storage import DecideStorage

TABLE = "g (int64[N, T] i) => (float[N, T, {0}] y) {{ y = Gather(w, i) }}"


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(1, 6), st.integers(0, 99))
def test_centers_are_means_of_what_is_nearest_them(rows: int, columns: int, count: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    centers = centers_of(x, count, np.random.default_rng(seed), iterations=200)
    assert centers.shape == (count, columns)
    if rows <= count:
        assert {tuple(row) for row in x.tolist()} == {tuple(row) for row in centers.tolist()}
        return
    nearest = np.square(x[:, None] - centers).sum(axis=2).argmin(axis=1)
    for k in set(nearest.tolist()):
        np.testing.assert_allclose(centers[k], x[nearest == k].mean(axis=0), atol=1e-5)


def test_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((256, 4)).astype(np.float32) * 10
    of = rng.integers(0, 256, (3000, 2))
    table = np.concatenate([true[of[:, 0]], -true[of[:, 1]]], axis=1) + rng.standard_normal((3000, 8)) * 0.01
    made = product_codes(table.astype(np.float32), 4)
    assert (made.codes.shape, made.centers.shape) == ((3000, 2), (2, 256, 4))
    assert made.nbytes == 3000 * 2 + 2 * 256 * 4 * 2
    # A few centers start in the same cluster, and stay.
    lost = np.square(made.real - table).sum(axis=1)
    assert (lost < 0.01).mean() > 0.85


def test_no_other_center_is_nearer() -> None:
    table = weights(700, 16)
    made = product_codes(table, 8)
    for m in range(2):
        part = table[:, m * 8 : m * 8 + 8]
        apart = np.square(part[:, None] - made.centers[m].astype(np.float32)).sum(axis=2)
        np.testing.assert_allclose(
            np.square(made.real[:, m * 8 : m * 8 + 8] - part).sum(axis=1), apart.min(axis=1), atol=1e-4
        )


@pytest.mark.parametrize("length", [4, 8])
def test_rows_are_put_together(length: int) -> None:
    w = weights(600, 64)
    source = model(TABLE.format(64), opset=17, w=w)
    each = ProductTables(length=length)
    assert each(source).modified
    assert not each(source).modified
    i = np.array([[0, 599, 5], [5, 7, 7]])
    expected = product_codes(w, length).real[i]
    np.testing.assert_allclose(run(source, {"i": i}, optimize=True)["y"], expected, atol=1e-6)
    assert optimized_ops(source) == {"Gather": 2, "Cast": 1, "Add": 1, "Reshape": 1}
    stored = sum(v.const_value.nbytes for v in source.graph.initializers.values())
    assert stored < 600 * 64 / length + 256 * 64 * 2 + 300
    # Nothing of it is a table or a weight to other passes.
    assert not DecideStorage()(source).modified
    assert run(source, {"i": i[:0]})["y"].shape == (0, 3, 64)


def test_the_same_twice() -> None:
    first, again = product_codes(weights(600, 16), 4), product_codes(weights(600, 16), 4)
    np.testing.assert_array_equal(first.codes, again.codes)
    np.testing.assert_array_equal(first.centers, again.centers)


@pytest.mark.parametrize(
    ("columns", "scale", "why"),
    [
        (66, 0.5, "has rows of 66 numbers, which parts of 4 do not divide"),
        (64, 1e6, "has numbers that float16 does not hold"),
    ],
)
def test_what_has_no_parts_stays_and_says_so(columns: int, scale: float, why: str) -> None:
    source = model(TABLE.format(columns), w=weights(600, columns, scale=scale))
    leaves_alone(ProductTables(), source, y=why)


def test_small_tables_and_those_that_products_read_stay() -> None:
    leaves_alone(ProductTables(), model(TABLE.format(64), w=weights(100, 64)))
    text = """g (int64[N] i) => (float[N, 600] y) {
        e = Gather(w, i)
        y = Gemm <transB = 1> (e, w)
    }"""
    leaves_alone(ProductTables(), model(text, w=weights(600, 64)))


def test_parts_have_a_length() -> None:
    with pytest.raises(ValueError, match=r"^length: 0 is below 1$"):
        ProductTables(length=0)
