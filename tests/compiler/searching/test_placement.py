"""Stretches that are faster in float, from a latency curve."""

from __future__ import annotations

from edgec.compiler.searching.placement import cheaper_in_float, cuts


def test_only_stretches_where_latency_falls_go_back() -> None:
    # Units 0-7 save time in integers, 8-15 cost some.
    def latency(count: int) -> float:
        return 1.0 + 0.05 * min(count, 8) - 0.05 * max(count - 8, 0)

    assert cheaper_in_float(latency, 16) == ((8, 10), (10, 12), (12, 14), (14, 16))


def test_noise_moves_nothing() -> None:
    assert cheaper_in_float(lambda count: 1.0 + 0.01 * (count % 2), 16) == ()


def test_cuts_are_few_and_include_both_ends() -> None:
    assert cuts(100) == (0, 12, 25, 38, 50, 62, 75, 88, 100)
    assert cuts(3) == (0, 1, 2, 3)
    assert cuts(0) == (0,)
