"""What is too much noise: the guard, the user's SQNR, and tighter goals."""

from __future__ import annotations

import pytest

from edgec.compiler.contract import Contract
from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity


def test_the_worst_output_counts_each_by_its_kind() -> None:
    goal = Goal()
    found = {
        "image": Fidelity(kind="image", noise=10**-3.6),
        "values": Fidelity(kind="values", noise=10**-1.0),
        "class": Fidelity(kind="scores", noise=0.5, divergence=0.024, regret=0.03),
        "map": Fidelity(kind="map", noise=0.5, divergence=0.0005, regret=0.0),
        "tokens": Fidelity(kind="tokens", noise=0.5, divergence=0.003, regret=0.0),
        "field": Fidelity(kind="field", noise=10**-2.7, divergence=None),
    }
    alone = {name: goal.loss({name: each}) for name, each in found.items()}
    expected = {"image": 1.0, "values": 10.0, "class": 2.0, "map": 0.5, "tokens": 0.5, "field": 10**0.1}
    assert alone == pytest.approx(expected)
    assert goal.loss(found) == pytest.approx(sum(expected.values()) / 6)
    assert goal.excess(found) == pytest.approx(10.0)
    assert goal.excess({"class": found["class"]}) == pytest.approx(3.0)  # the regret is worse than the divergence


def test_the_burden_counts_what_is_too_much_at_every_output() -> None:
    goal = Goal()
    fields = {
        name: Fidelity(kind="field", noise=factor * 10**-2.8) for name, factor in {"near": 4.0, "far": 0.5}.items()
    }
    assert goal.burden(fields) == pytest.approx((4.0 + 1.0) / 2)
    assert goal.burden({"far": fields["far"]}) == 1.0
    regret = Fidelity(kind="scores", noise=0.1, divergence=0.001, regret=0.03)
    assert goal.burden({"class": regret}) == pytest.approx(3.0)
    assert goal.burden({}) == 0.0


def test_a_limit_on_sqnr_counts_for_every_output_with_some_room() -> None:
    goal = Goal.of(Contract.from_flags(min_sqnr="30dB"))
    assert goal.sqnr_db == 30.5
    assert goal.loss({"class": Fidelity(kind="scores", noise=1e-3, divergence=0.0)}) == pytest.approx(10**0.05)
    assert Goal.of(Contract()) == Goal()


def test_a_tighter_goal_scales_the_excess() -> None:
    found = {
        "class": Fidelity(kind="scores", noise=0.1, divergence=0.02, regret=0.001),
        "map": Fidelity(kind="map", noise=0.1, divergence=0.002, regret=0.001),
        "values": Fidelity(kind="values", noise=0.02),
        "image": Fidelity(kind="image", noise=0.0005),
    }
    for name, each in found.items():
        for goal in (Goal(), Goal(sqnr_db=20.0)):
            assert goal.tighter(4.0).loss({name: each}) == pytest.approx(4 * goal.loss({name: each}))
