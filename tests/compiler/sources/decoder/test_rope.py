"""Rotary frequencies: powers of theta, and what the scalings of longer contexts make of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.compiler.sources.decoder import Rope
from edgec.compiler.sources.decoder.rope import frequencies, rotary_tables


def test_frequencies_are_powers_of_theta() -> None:
    assert np.allclose(frequencies(Rope(theta=100.0), 4), [1.0, 0.1])


def test_llama3_leaves_fast_pairs_divides_slow_ones_and_interpolates_between() -> None:
    # Wavelengths 2π, 20π·10^½…: with 64 tokens trained, low 1 and high 4, those below 16 stay and those above 64 go.
    plain = frequencies(Rope(theta=10000.0), 8)
    scaled = frequencies(Rope(theta=10000.0, scaling="llama3", factor=8.0, trained_context=64), 8)

    assert scaled[0] == plain[0]  # 6.3 tokens
    kept = (64 * plain[1] / (2 * np.pi) - 1) / 3  # 62.8 tokens: between
    assert scaled[1] == pytest.approx(plain[1] * (kept + (1 - kept) / 8))
    assert np.allclose(scaled[2:], plain[2:] / 8)


@settings(deadline=None)
@given(
    factor=st.floats(1.0, 64.0),
    low=st.floats(0.5, 2.0),
    span=st.floats(0.1, 6.0),
    trained=st.integers(8, 1 << 16),
)
def test_llama3_never_speeds_up_and_never_slows_beyond_the_factor(
    factor: float, low: float, span: float, trained: int
) -> None:
    plain = frequencies(Rope(), 32)
    rope = Rope(scaling="llama3", factor=factor, low_frequency=low, high_frequency=low + span, trained_context=trained)
    scaled = frequencies(rope, 32)

    assert np.all(scaled <= plain * (1 + 1e-12))
    assert np.all(scaled >= plain / factor * (1 - 1e-12))


def test_tables_begin_unturned() -> None:
    cos, sin = rotary_tables(Rope(), 16, 5)

    assert cos.shape == sin.shape == (5, 8)
    assert np.array_equal(cos[0], np.ones(8))
    assert np.array_equal(sin[0], np.zeros(8))
    assert np.allclose(cos[3, 0], np.cos(3.0))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scaling": "yarn"}, "scaling: 'yarn' is not one of default, linear, llama3"),
        ({"theta": 0.0}, "theta 0 and factor 1 must be above 0"),
        (
            {"scaling": "llama3", "low_frequency": 4.0},
            "low_frequency 4 is not below high_frequency 4",
        ),
    ],
)
def test_positions_that_cannot_be_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
        Rope(**changed)  # type: ignore[arg-type]
    assert str(error.value) == message
