"""How a token is chosen: the likeliest, or drawn from what is left of a distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.compiler.generating.sampling import Sampling, next_token, probabilities

LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3], np.float32))


def test_without_temperature_the_likeliest_is_taken() -> None:
    assert next_token(LOGITS, Sampling(), np.random.default_rng(0)) == 1
    assert next_token(np.zeros(3, np.float32), Sampling(), np.random.default_rng(0)) == 0


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (Sampling(temperature=1.0), [0.1, 0.4, 0.2, 0.3]),
        (Sampling(temperature=0.5), np.array([1, 16, 4, 9]) / 30),
        (Sampling(temperature=1.0, top_k=2), [0, 4 / 7, 0, 3 / 7]),
        (Sampling(temperature=1.0, top_p=0.65), [0, 4 / 7, 0, 3 / 7]),
        (Sampling(temperature=1.0, top_p=0.71), [0, 4 / 9, 2 / 9, 3 / 9]),
        (Sampling(temperature=1.0, top_k=2, top_p=0.5), [0, 1, 0, 0]),  # of the two left, 0.57 is the first's
    ],
)
def test_probabilities_by_hand(sampling: Sampling, wanted: object) -> None:
    assert np.allclose(probabilities(LOGITS, sampling), np.asarray(wanted), atol=1e-6)


@settings(deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    size=st.integers(1, 40),
    spread=st.floats(0.0, 30.0),
    temperature=st.floats(0.05, 5.0),
    top_k=st.integers(0, 50),
    top_p=st.floats(0.01, 1.0),
)
def test_what_is_left_is_a_distribution_over_the_likeliest(
    seed: int, size: int, spread: float, temperature: float, top_k: int, top_p: float
) -> None:
    logits = (spread * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)
    found = probabilities(logits, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))

    kept = found > 0
    assert found.sum() == pytest.approx(1.0)
    assert found[np.argmax(logits)] > 0
    assert kept.sum() <= (top_k or logits.size)
    if not kept.all() and kept.any():
        # Nothing that was left out is likelier than what was kept; what underflowed to 0 may be kept and not seen.
        assert logits[kept].min() >= logits[~kept & (logits > logits.max() - 700 * temperature)].max(initial=-np.inf)


def test_draws_follow_the_seed() -> None:
    sampling = Sampling(temperature=1.0)
    draws = [next_token(LOGITS, sampling, np.random.default_rng(seed)) for seed in range(400)]

    assert draws == [next_token(LOGITS, sampling, np.random.default_rng(seed)) for seed in range(400)]
    assert np.allclose(np.bincount(draws) / 400, [0.1, 0.4, 0.2, 0.3], atol=0.08)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": -1.0}, "temperature: -1 is below 0, or no number"),
        ({"temperature": float("nan")}, "temperature: nan is below 0, or no number"),
        ({"top_k": -1}, "top_k: -1 is below 0"),
        ({"top_p": 0.0}, "top_p: 0 is not above 0 and at most 1"),
    ],
)
def test_numbers_out_of_range_are_refused(changed: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
        Sampling(**changed)  # type: ignore[arg-type]
    assert str(error.value) == message
