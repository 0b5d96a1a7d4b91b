"""GPTQ in blocks against algorithm 1 of the paper, written down as it stands there, in float64, with the inverse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import weights

from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.gptq_blocks import gptq_blocks
from edgec.passes.weight_only.nearest import nearest

FORMS = [
    BlockForm(bits=4, size=32),
    BlockForm(bits=4, size=128, symmetric=False),
    BlockForm(bits=3, size=0),
    BlockForm(bits=2, size=64, symmetric=False),
    BlockForm(bits=8, size=256),
    BlockForm(bits=4, size=20),
]


def layer(columns: int, rows: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A weight, and the Gram matrix of correlated inputs with channels that stand out."""
    rng = np.random.default_rng((columns, rows, seed))
    X = rng.standard_normal((2 * columns, columns))
    X = X @ (np.eye(columns) + 1.5 * rng.standard_normal((columns, columns)) / np.sqrt(columns))
    X[:, rng.choice(columns, 3, replace=False)] *= 20
    return weights(rows, columns, seed=seed, scale=0.02), X.T @ X


def lost(W: np.ndarray, real: np.ndarray, H: np.ndarray) -> float:
    """||(W - Ŵ) X||²."""
    D = real.astype(np.float64) - W
    return float(((D @ H) * D).sum())


def algorithm_1(
    W: np.ndarray, H: np.ndarray, form: BlockForm, *, act_order: bool, given: Blocks | None = None, damp: float = 0.01
) -> np.ndarray:
    """Ŵ: one column after the other, H⁻¹ by inversion. Scales cover a block as it is at its first column ("min-max"
    of the authors' code), or of the whole weight with `act_order`; or are those given."""
    W = W.astype(np.float64)
    rows, columns = W.shape
    size = form.size or columns
    order = np.argsort(-np.diag(H), kind="stable") if act_order else np.arange(columns)
    damped = H + damp * np.diag(H).mean() * np.eye(columns)
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    now, real = W[:, order].copy(), np.empty_like(W)
    s, z = np.empty((rows, columns)), np.empty((rows, columns))
    for at in range(columns):
        block = order[at] // size
        across = slice(block * size, min((block + 1) * size, columns))
        if given is not None:
            s[:, at] = given.scale[:, block]
            z[:, at] = 1 << form.bits - 1 if given.zero is None else given.zero[:, block]
        elif act_order or at % size == 0:
            here = W[:, across] if act_order else now[:, across]
            s[:, at], z[:, at] = covering(here, form)
        else:
            s[:, at], z[:, at] = s[:, at - 1], z[:, at - 1]
        q = np.clip(np.rint(now[:, at] / s[:, at]) + z[:, at], 0, form.largest)
        rounded = (q - z[:, at]) * s[:, at]
        real[:, order[at]] = rounded
        now[:, at:] -= np.outer((now[:, at] - rounded) / upper[at, at], upper[at, at:])
    return real


def covering(w: np.ndarray, form: BlockForm) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.minimum(w.min(axis=1), 0), np.maximum(w.max(axis=1), 0)
    if form.symmetric:
        return 2 * np.maximum(high, -low) / form.largest, np.full(len(w), 1 << form.bits - 1)
    s = (high - low) / form.largest
    return s, np.rint(-low / s)


@pytest.mark.parametrize("columns", [96, 300])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_on_the_scales_it_found_it_is_the_paper_s_algorithm(form: BlockForm, columns: int) -> None:
    """Columns of large inputs first, under given scales ("static groups"): the same error within 1 %."""
    W, H = layer(columns, 48)
    found = gptq_blocks(W, H, form, act_order=True)
    wanted = lost(W, algorithm_1(W, H, form, act_order=True, given=found), H)
    assert lost(W, found.real, H) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("columns", [96, 300])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_columns_in_order_are_too(form: BlockForm, columns: int) -> None:
    """Scales of what earlier blocks left: found by ours, rounded on by the paper's."""
    W, H = layer(columns, 48, seed=1)
    found = gptq_blocks(W, H, form, act_order=False)
    wanted = lost(W, algorithm_1(W, H, form, act_order=False, given=found), H)
    assert lost(W, found.real, H) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("act_order", [True, False], ids=["large first", "in order"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_searched_scales_lose_no_more_than_the_paper_s(form: BlockForm, act_order: bool) -> None:
    W, H = layer(256, 64, seed=2)
    found = lost(W, gptq_blocks(W, H, form, act_order=act_order).real, H)
    assert found < 1.01 * lost(W, algorithm_1(W, H, form, act_order=act_order), H)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_loses_far_less_than_the_nearest(form: BlockForm) -> None:
    W, H = layer(200, 64)
    near = lost(W, nearest(W, form).real, H)
    assert lost(W, gptq_blocks(W, H, form).real, H) < 0.35 * near
    assert lost(W, gptq_blocks(W, H, form, act_order=False).real, H) < 0.5 * near


def test_rows_do_not_depend_on_each_other() -> None:
    """A matrix of more rows than are worked on at a time, and one of them alone."""
    W, H = layer(40, 4100)
    form = BlockForm(bits=4, size=16)
    whole = gptq_blocks(W, H, form)
    for k in (0, 4095, 4096, 4099):
        alone = gptq_blocks(W[k : k + 1], H, form)
        np.testing.assert_array_equal(alone.codes, whole.codes[k : k + 1])


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(FORMS), st.booleans(), st.integers(1, 60), st.integers(0, 60), st.floats(-6, 6),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_gram_matrix_gives_codes(
    form: BlockForm, act_order: bool, columns: int, samples: int, exponent: float, seed: int
) -> None:
    """Fewer samples than columns, inputs that are always 0, tiny and huge ones."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((samples, columns)) * 10.0**exponent
    X[:, rng.random(columns) < 0.2] = 0
    W = rng.standard_normal((3, columns)).astype(np.float32)
    blocks = gptq_blocks(W, X.T @ X, form, act_order=act_order)
    assert blocks.codes.shape == W.shape
    assert blocks.codes.max() <= form.largest
    assert np.isfinite(blocks.real).all()


def test_what_never_saw_an_input_is_rounded_to_the_nearest() -> None:
    W, form = weights(8, 64), BlockForm(bits=4, size=32)
    _, H = layer(64, 8)
    H[5], H[:, 5] = 0, 0
    for act_order in (True, False):
        found = gptq_blocks(W, H, form, act_order=act_order)
        s = found.scale[:, 0]
        np.testing.assert_array_equal(found.codes[:, 5], np.clip(np.rint(W[:, 5] / s) + 8, 0, 15))


def test_a_matrix_that_is_not_positive_definite_is_damped_until_it_is() -> None:
    W, H = layer(64, 8)
    broken = H - 0.2 * np.diag(H).mean() * np.eye(64)
    assert np.linalg.eigvalsh(broken).min() < 0
    assert np.isfinite(gptq_blocks(W, broken, BlockForm(bits=4, size=32)).real).all()
