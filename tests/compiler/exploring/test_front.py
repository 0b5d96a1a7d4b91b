"""The front is what a look at every pair finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.exploring.front import beats, front

POINTS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 4), min_size=width, max_size=width), min_size=1, max_size=14)
)


def test_hand_made() -> None:
    #       small and bad, large and good, beaten by the second, as the first, between
    costs = [(1, 9), (9, 1), (9, 2), (1, 9), (5, 5)]
    assert front(costs) == [True, True, False, True, True]


def test_a_point_beats_none_that_is_alike() -> None:
    assert not beats((1, 2), (1, 2))
    assert beats((1, 2), (1, 3))
    assert not beats((1, 3), (2, 2))


@given(POINTS)
def test_every_pair_agrees(costs: list[list[int]]) -> None:
    by_pairs = [
        not any(
            all(a <= b for a, b in zip(rival, point, strict=True))
            and any(a < b for a, b in zip(rival, point, strict=True))
            for rival in costs
        )
        for point in costs
    ]
    assert front(costs) == by_pairs


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(costs: list[list[int]], random: object) -> None:
    order = list(range(len(costs)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = front([costs[index] for index in order])
    assert [shuffled[order.index(index)] for index in range(len(costs))] == front(costs)
