"""Texts that a model writes itself: where they begin, how they go on, and that a seed writes them again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.compiler.training.distilling.write_text import TOGETHER, write_text


def _begin(
    table: np.ndarray, fed: list[np.ndarray] | None = None
) -> Callable[[int], Callable[[np.ndarray], np.ndarray]]:
    """A model whose next token depends on the last one alone."""

    def begin(texts: int) -> Callable[[np.ndarray], np.ndarray]:
        assert texts <= TOGETHER

        def feed(tokens: np.ndarray) -> np.ndarray:
            if fed is not None:
                fed.append(tokens.copy())
            return table[tokens]

        return feed

    return begin


def _written(table: np.ndarray, texts: int, length: int, seed: int = 0) -> np.ndarray:
    return write_text(
        _begin(table), vocabulary=len(table), texts=texts, length=length, seed=seed, advance=lambda _: None
    )


@settings(deadline=None, max_examples=25)
@given(vocabulary=st.integers(2, 90), texts=st.integers(1, 150), length=st.integers(2, 9), seed=st.integers(0, 99))
def test_begins_with_every_token_before_any_comes_again(vocabulary: int, texts: int, length: int, seed: int) -> None:
    table = np.random.default_rng(seed).standard_normal((vocabulary, vocabulary))
    made = _written(table, texts, length, seed)
    assert made.shape == (texts, length)
    assert made.dtype == np.int64
    assert made.min() >= 0
    assert made.max() < vocabulary
    counts = np.bincount(made[:, 0], minlength=vocabulary)
    assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(made, _written(table, texts, length, seed))


def test_the_first_three_to_five_are_the_likeliest_and_the_rest_is_drawn() -> None:
    """After token t comes t + 1 a little more likely than anything else."""
    vocabulary = 40
    table = np.zeros((vocabulary, vocabulary))
    table[np.arange(vocabulary), (np.arange(vocabulary) + 1) % vocabulary] = 0.1
    made = _written(table, 400, 12)
    likeliest = (made[:, 1:] - made[:, :-1]) % vocabulary == 1
    assert likeliest[:, :3].all()
    assert 0.5 < likeliest[:, 3].mean() < 0.85  # two of the three lengths
    assert 0.2 < likeliest[:, 4].mean() < 0.55
    assert likeliest[:, 5:].mean() < 0.1


def test_draws_are_as_likely_as_the_softmax_has_them() -> None:
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    made = _written(np.tile(np.log(shares), (4, 1)), 600, 40)[:, 6:]
    np.testing.assert_allclose(np.bincount(made.reshape(-1)) / made.size, shares, atol=0.01)


def test_every_token_but_the_last_is_fed_once() -> None:
    fed: list[np.ndarray] = []
    told: list[int] = []
    table = np.random.default_rng(0).standard_normal((7, 7))
    made = write_text(_begin(table, fed), vocabulary=7, texts=5, length=6, seed=0, advance=told.append)
    np.testing.assert_array_equal(np.stack(fed, axis=1), made[:, :-1])
    assert told == [5] * 5
