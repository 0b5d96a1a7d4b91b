"""Masks: which weights become 0, what the others make up for, and what stays dense."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graphs import feeds_of, model, weights
from support.recipes import measure_on

from edgec.compiler.pipeline import run_passes
from edgec.passes.edit import constant_array, remarks_of
from edgec.passes.prune.pattern import Pattern, is_kept_in, keep_largest, read_pattern, read_share
from edgec.passes.prune.sparsegpt import METHODS, prune_matrix, sparsegpt
from edgec.passes.prune.weights import PruneWeights


def problem(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((rows, columns))
    X = rng.standard_normal((columns, 4 * columns))
    X = X + 0.6 * np.roll(X, 1, axis=0) + 0.3 * rng.standard_normal(4 * columns)
    return W, X @ X.T


def lost(W: np.ndarray, V: np.ndarray, H: np.ndarray) -> float:
    return float(np.einsum("nk,kl,nl->", V - W, H, V - W))


def by_the_paper(W: np.ndarray, H: np.ndarray, of: int, pruned: int, percdamp: float) -> np.ndarray:
    """Algorithm 1 for N:M with B = B_s = M, one row and one column after the other, inverses taken anew each time."""
    H = H + percdamp * np.diagonal(H).mean() * np.eye(len(H))
    W = W.copy()
    zero = np.zeros(W.shape, bool)
    for row in range(len(W)):
        for j in range(W.shape[1]):
            inverse = np.linalg.inv(H[j:, j:])  # of the columns not visited yet
            if j % of == 0:
                scores = []
                for k in range(j, j + of):
                    scores.append(W[row, k] ** 2 / np.linalg.inv(H[k:, k:])[0, 0])
                zero[row, j + np.argsort(scores)[:pruned]] = True
            if zero[row, j]:
                W[row, j:] -= W[row, j] / inverse[0, 0] * inverse[0]
    return np.where(zero, 0, W)


@pytest.mark.parametrize(("of", "pruned"), [(4, 2), (8, 4), (4, 1)])
def test_sparsegpt_is_the_papers(of: int, pruned: int) -> None:
    W, H = problem(5, 16)
    made = sparsegpt(W, H, Pattern(share=pruned / of, of=of), percdamp=0.01)
    assert np.allclose(made, by_the_paper(W, H, of, pruned, 0.01), rtol=1e-6, atol=1e-9)


def test_blocks_of_columns_are_lazy_only() -> None:
    W, H = problem(3, 300)
    made = sparsegpt(W, H, Pattern(share=0.5, of=4), percdamp=0.01)
    assert ((made.reshape(3, -1, 4) == 0).sum(-1) == 2).all()
    few = sparsegpt(W[:1], H, Pattern(share=0.5, of=4), percdamp=0.01)
    assert np.allclose(made[:1], few)


@pytest.mark.parametrize("text", ["2:4", "50%"])
def test_each_method_loses_less_than_the_one_before(text: str) -> None:
    W, H = problem(24, 256)
    size = np.geomspace(0.3, 3, 256)[np.random.default_rng(1).permutation(256)]
    H = H * np.outer(size, size)
    made = {method: prune_matrix(method, W[None], H[None], read_pattern(text))[0] for method in METHODS}
    loss = [lost(W, made[method], H) for method in METHODS]
    assert loss[2] < 0.8 * loss[1]
    assert loss[1] < 0.8 * loss[0]
    assert all((each == 0).sum() == W.size // 2 for each in made.values())


def test_wanda_weighs_by_the_norm_of_inputs_row_by_row() -> None:
    W = np.array([[1.0, 2.0], [30.0, 20.0]])
    H = np.diag([9.0, 1.0])  # norms 3 and 1
    made = prune_matrix("wanda", W[None], H[None], Pattern(share=0.5))[0]
    assert made.tolist() == [[1.0, 0.0], [30.0, 0.0]]
    assert prune_matrix("magnitude", W[None], H[None], Pattern(share=0.5))[0].tolist() == [[0.0, 0.0], [30.0, 20.0]]


def test_inputs_that_were_always_0_go_first() -> None:
    W, H = problem(4, 8)
    H[3] = H[:, 3] = 0
    assert not sparsegpt(W, H, Pattern(share=0.25))[:, 3].any()


@given(
    st.integers(1, 6), st.integers(1, 20), st.sampled_from([(1, 2), (2, 4), (4, 8), (3, 5)]), st.integers(0, 2**32 - 1)
)
def test_patterns_hold(rows: int, groups: int, ratio: tuple[int, int], seed: int) -> None:
    kept, of = ratio
    score = np.abs(np.random.default_rng(seed).standard_normal((rows, groups * of)))
    mask = keep_largest(score, read_pattern(f"{kept}:{of}"))
    parts, held = score.reshape(rows, groups, of), mask.reshape(rows, groups, of)
    assert (held.sum(-1) == kept).all()
    assert (np.where(held, parts, np.inf).min(-1) >= np.where(held, 0, parts).max(-1)).all()
    assert is_kept_in(np.where(mask, score, 0), read_pattern(f"{kept}:{of}"))


@given(st.integers(1, 40), st.integers(1, 12), st.floats(0.02, 0.98))
def test_shares_are_reached(columns: int, rows: int, share: float) -> None:
    score = np.arange(columns * rows, dtype=float).reshape(rows, columns)
    for by_row in (False, True):
        zeros = (~keep_largest(score, Pattern(share=share), by_row=by_row)).sum()
        assert zeros >= share * score.size - 1e-6


@pytest.mark.parametrize("text", ["0%", "100%", "4:2", "2:2", "0:4", "half", "150%", "1", "-1:4", "32:65"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a share above 0% and below 100%|does not keep some"):
        read_pattern(text)


def test_shares_are_written_in_two_ways() -> None:
    assert read_share("30%") == read_share("0.3") == read_share(".3") == 0.3


NET = """g (float[N, 8, 6, 6] x) => (float[N, 10] y) {
    a = Conv <kernel_shape = [3, 3]> (x, conv)
    d = Conv <kernel_shape = [3, 3], group = 8> (a, depthwise)
    p = GlobalAveragePool (d)
    f = Flatten (p)
    y = Gemm <transB = 1> (f, gemm)
}"""


def net() -> ir.Model:
    return model(NET, conv=weights(8, 8, 3, 3), depthwise=weights(8, 1, 3, 3), gemm=weights(10, 8))


def pruned(source: ir.Model, each: PruneWeights) -> dict[str, np.ndarray]:
    feeds = [feeds_of(source, seed=seed, sizes={"N": 8}) for seed in range(4)]
    first, second = run_passes(source, (each, each), measure=measure_on(feeds))
    assert first.modified
    assert not second.modified
    arrays = {name: constant_array(value) for name, value in source.graph.initializers.items()}
    return {name: array for name, array in arrays.items() if array is not None}


@pytest.mark.parametrize("method", METHODS)
def test_filters_are_pruned_along_their_channels(method: str) -> None:
    found = pruned(net(), PruneWeights(pattern="2:4", method=method))
    assert ((found["conv"].reshape(8, 2, 4, 9) == 0).sum(2) == 2).all()
    assert ((found["gemm"].reshape(10, 2, 4) == 0).sum(-1) == 2).all()
    assert found["depthwise"].all()


@pytest.mark.parametrize("method", METHODS)
def test_shares_of_every_weight(method: str) -> None:
    found = pruned(net(), PruneWeights(pattern="60%", method=method))
    assert [0.6 <= (found[name] == 0).mean() < 0.63 for name in ("conv", "gemm")] == [True, True]


def test_what_stays_dense_says_why() -> None:
    text = """g (float[N, 6] x, int64[N] i, float[6, 8] given) => (y, z, q, e) {
        y = MatMul (x, odd)  q = MatMul (x, given)
        e = Gather (table, i)  z = MatMul (e, table)
    }"""
    source = model(text, odd=weights(6, 4), table=weights(8, 8))
    PruneWeights(pattern="2:4", method="magnitude")(source)
    assert remarks_of(source) == {
        "y": ("is not pruned: it sums up 6 channels, no multiple of 4",),
        "z": ("is not pruned: another node reads its weight in another form",),
    }


def test_excluded_by_name() -> None:
    source = net()
    PruneWeights(pattern="2:4", method="magnitude", exclude_nodes=("^y$",))(source)
    assert remarks_of(source)["y"] == ("is not pruned: it is excluded by name",)
    gemm = constant_array(source.graph.initializers["gemm"])
    assert gemm is not None
    assert gemm.all()


def test_a_method_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"^method: 'taylor' is not one of magnitude, wanda, sparsegpt$"):
        PruneWeights(pattern="2:4", method="taylor")
