"""A guilty unit is found in O(log n) runs; the intervals add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.searching.cuts import scan


class Chain:
    """Units whose noise adds up: the loss with the first k in float is what the others contribute."""

    def __init__(self, contributions: list[float]) -> None:
        self.contributions = contributions
        self.runs = 0

    def loss(self, count: int) -> float:
        self.runs += 1
        return math.fsum(self.contributions[count:])

    @property
    def whole(self) -> float:
        return math.fsum(self.contributions)


@pytest.mark.parametrize("guilty", [0, 1, 77, 126, 127])
def test_one_bad_unit_of_128_is_found_in_log2_runs(guilty: int) -> None:
    chain = Chain([0.001] * 128)
    chain.contributions[guilty] = 10.0
    found = scan(chain.loss, 128, whole=chain.whole, share=0.05, enough=0.95, runs=100)
    worst = max(found, key=lambda each: each.drop)
    assert (worst.start, worst.end) == (guilty, guilty + 1)
    assert worst.drop == pytest.approx(10.0)
    assert chain.runs == 7


def test_several_bad_units_are_found_each_in_log2_runs() -> None:
    guilty = {5, 60, 200}
    chain = Chain([5.0 if k in guilty else 1e-4 for k in range(256)])
    found = scan(chain.loss, 256, whole=chain.whole, share=0.05, enough=0.99, runs=100)
    assert {each.start for each in found if each.end - each.start == 1 and each.drop > 1} == guilty
    assert chain.runs <= 3 * 8


def test_noise_spread_evenly_stops_at_the_share_and_at_the_runs() -> None:
    chain = Chain([1.0] * 64)
    found = scan(chain.loss, 64, whole=64.0, share=0.2, enough=0.95, runs=100)
    assert chain.runs == 7  # intervals of 8 units carry 0.125, which is less than the share
    assert all(each.drop == each.end - each.start for each in found)
    limited = Chain([1.0] * 64)
    scan(limited.loss, 64, whole=64.0, share=0.01, enough=0.95, runs=5)
    assert limited.runs == 5


def test_it_stops_when_enough_is_found() -> None:
    chain = Chain([0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5])
    scan(chain.loss, 8, whole=1.0, share=0.05, enough=0.4, runs=100)
    assert chain.runs == 3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 30))
def test_intervals_cover_all_units_and_add_up(contributions: list[float], runs: int) -> None:
    chain = Chain(contributions)
    found = scan(chain.loss, len(contributions), whole=chain.whole, share=0.05, enough=0.95, runs=runs)
    assert [each.start for each in found] == [0, *(each.end for each in found[:-1])]
    assert found[-1].end == len(contributions)
    np.testing.assert_allclose(sum(each.drop for each in found), chain.whole, atol=1e-9)
    assert chain.runs <= runs
