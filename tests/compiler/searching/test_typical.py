"""A repair counts where a typical sample gains, not where the worst one does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity
from edgec.compiler.searching.typical import typical_ratio


def noises(*factors: float) -> list[dict[str, Fidelity]]:
    """One sample each, with so many times the noise that is allowed."""
    return [{"y": Fidelity(kind="image", noise=factor * 10**-3.6)} for factor in factors]


def test_a_lower_mean_from_one_sample_alone_is_no_gain() -> None:
    before, after = noises(1.0, 1.0, 1.0, 20.0), noises(2.0, 2.0, 2.0, 5.0)
    assert sum(Goal().loss(each) for each in after) < sum(Goal().loss(each) for each in before)
    assert typical_ratio(before, after, Goal()) == pytest.approx((2 * 2 * 2 * 0.25) ** (1 / 4))


def test_samples_float_is_sure_of_say_nothing() -> None:
    assert typical_ratio(noises(1e-9, 2.0), noises(1e-7, 1.0), Goal()) == pytest.approx(math.sqrt(0.5))


def test_samples_that_were_lost_before_are_left_out() -> None:
    assert typical_ratio(noises(math.inf, 4.0), noises(1.0, 1.0), Goal()) == pytest.approx(0.25)
    assert typical_ratio(noises(math.inf), noises(1.0), Goal()) == 1.0


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=9))
def test_it_turns_round_with_its_arguments(pairs: list[tuple[float, float]]) -> None:
    one, two = (noises(*side) for side in zip(*pairs, strict=True))
    assert typical_ratio(one, two, Goal()) * typical_ratio(two, one, Goal()) == pytest.approx(1.0)
