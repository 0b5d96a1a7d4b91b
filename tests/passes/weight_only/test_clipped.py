"""AWQ's clipping from squares of the Gram matrix, against the same search over tokens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.passes.weight_only.blocks import BlockForm, Blocks
from edgec.passes.weight_only.methods import blocks_by, clipped, weighted
from edgec.passes.weight_only.nearest import fit

FORMS = [BlockForm(bits=bits, size=16, symmetric=each) for bits in (2, 3, 4) for each in (True, False)]


def tokens(seed: int, channels: int = 48, count: int = 300) -> np.ndarray:
    """Activations whose channels have much to do with each other, a few of them large."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 8)) @ rng.standard_normal((8, channels)) + 0.2 * rng.standard_normal(
        (count, channels)
    )
    x[:, rng.choice(channels, 3, replace=False)] *= 10
    return x


def lost(x: np.ndarray, w: np.ndarray, real: np.ndarray, size: int) -> float:
    """What the blocks add to the output, each by itself: Σ (x_g (w_g - ŵ_g)ᵀ)², over tokens."""
    parts = [slice(k, k + size) for k in range(0, w.shape[1], size)]
    return sum(float(np.square(x[:, part] @ (w - real)[:, part].T).sum()) for part in parts)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_blocks_add_less_to_the_output(form: BlockForm) -> None:
    x, w = tokens(form.bits), np.random.default_rng(0).standard_normal((40, 48)).astype(np.float32)
    h = x.T @ x
    near, weighted, clipped = (blocks_by(each, w, h[None], form).real for each in ("nearest", "weighted", "clipped"))
    assert lost(x, w, clipped, 16) < lost(x, w, weighted, 16) < lost(x, w, near, 16)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FORMS))
def test_the_error_is_that_of_tokens(seed: int, form: BlockForm) -> None:
    """Of one block: no scale near the one found does better on the tokens themselves."""
    x = tokens(seed, channels=16)
    w = np.random.default_rng(seed).standard_normal((16, 5)).astype(np.float32)
    s, z = fit(w, form, (x.T @ x / 1e4).astype(np.float32))
    for column in range(5):

        def error(scale: float, zero: float, column: int = column) -> float:
            codes = np.clip(np.rint(w[:, column] / scale) + zero, 0, form.largest)
            return float(np.square(x @ ((codes - zero) * scale - w[:, column])).sum())

        found = error(float(s[column]), float(z[column]))
        for start, zero in starts(w[:, column], form):
            assert found <= 1.001 * error(start, zero) + 1e-6


def starts(w: np.ndarray, form: BlockForm) -> list[tuple[float, float]]:
    """The scales that cover a block."""
    if form.symmetric:
        middle = 2 ** (form.bits - 1)
        return [(float(w[np.argmax(np.abs(w))]) / -middle, middle)]
    low, high = min(float(w.min()), 0.0), max(float(w.max()), 0.0)
    s = (high - low) / form.largest
    return [(s, float(np.floor(-low / s))), (s, float(np.ceil(-low / s)))] if form.bits > 2 else []


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FORMS), st.sampled_from(("weighted", "clipped")))
def test_no_row_loses_more_than_by_the_nearest(seed: int, form: BlockForm, method: str) -> None:
    """Blocks that are best each by itself may not be so together: counted on tokens, over the whole row."""
    x, w = tokens(seed), np.random.default_rng(seed).standard_normal((40, 48)).astype(np.float32)
    made, near = (np.square(x @ (blocks_by(each, w, (x.T @ x)[None], form).real - w).T).sum(axis=0)
                  for each in (method, "nearest"))  # fmt: skip
    assert (made <= near * (1 + 1e-4)).all()


@pytest.mark.parametrize(("form", "alone"), [(FORMS[0], weighted), (FORMS[3], clipped)])
def test_rows_are_kept_by_what_they_lose(form: BlockForm, alone: Callable[..., Blocks]) -> None:
    """Some are those of the method alone, some the nearest, none is mixed of both."""
    x, w = tokens(1), np.random.default_rng(1).standard_normal((40, 48)).astype(np.float32)
    h = x.T @ x
    made, ours, near = (
        blocks_by(alone.__name__, w, h[None], form),
        alone(w, h, form),
        blocks_by("nearest", w, None, form),
    )
    is_ours, is_near = ((made.real == each.real).all(axis=1) for each in (ours, near))
    assert (is_ours | is_near).all()
    assert is_ours.any()
    assert (is_near & ~is_ours).any()


def test_inputs_that_have_nothing_to_do_with_each_other_are_weighed() -> None:
    form = BlockForm(bits=4, size=16)
    w, h = np.random.default_rng(1).standard_normal((9, 32)), np.diag(np.random.default_rng(2).uniform(0.1, 9, 32))
    weighted, clipped = (blocks_by(each, w, h[None], form) for each in ("weighted", "clipped"))
    np.testing.assert_array_equal(weighted.codes, clipped.codes)
    np.testing.assert_allclose(weighted.scale, clipped.scale, rtol=1e-5)


def test_inputs_that_were_always_0_leave_the_nearest() -> None:
    form = BlockForm(bits=3, size=16)
    w, h = np.random.default_rng(1).standard_normal((9, 32)), np.zeros((32, 32))
    near, clipped = (blocks_by(each, w, h[None], form) for each in ("nearest", "clipped"))
    np.testing.assert_array_equal(near.codes, clipped.codes)


def test_gram_matrices_of_any_size_of_numbers() -> None:
    form = BlockForm(bits=4, size=16)
    x, w = tokens(0), np.random.default_rng(0).standard_normal((9, 48))
    h = x.T @ x
    wanted = blocks_by("clipped", w, h[None], form)
    for unit in (1e-30, 1e30):
        found = blocks_by("clipped", w, unit * h[None], form)
        np.testing.assert_array_equal(found.codes, wanted.codes)


def test_whole_rows_are_weighed_by_the_diagonal() -> None:
    form = BlockForm(bits=4, size=0)
    x, w = tokens(0), np.random.default_rng(0).standard_normal((9, 48))
    weighted, clipped = (blocks_by(each, w, (x.T @ x)[None], form) for each in ("weighted", "clipped"))
    np.testing.assert_array_equal(weighted.codes, clipped.codes)
