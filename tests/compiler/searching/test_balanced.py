"""Channels are balanced only where the goal is missed, nobody else scales them, and it is clearly better."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edgec.compiler.searching.balanced import better_channels
from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity
from edgec.targets.policy import Policy


@dataclass(frozen=True)
class Shop:
    """Candidates are how channels are."""

    policy: Policy
    built: list[bool] = field(default_factory=list)

    def mixed(self, names: frozenset[str], *, small: bool) -> Any:
        assert names == {"stem"}
        assert small
        self.built.append(self.policy.balance)
        return SimpleNamespace(model="balanced")


class Trials:
    """Noise in multiples of what the goal allows."""

    def __init__(self, usual: float, balanced: float, policy: Policy) -> None:
        self.noise = {"as they are": usual, "balanced": balanced}
        self.shop = Shop(policy=policy)
        self.base = frozenset({"stem"})
        self.bench = SimpleNamespace(score=self.score, score_each=lambda model: [self.score(model)])
        self.started: list[tuple[frozenset[str], str]] = []

    def score(self, model: str) -> dict[str, Fidelity]:
        return {"y": Fidelity(kind="image", noise=self.noise[model] * 10**-3.6)}

    def excess(self, names: frozenset[str], goal: Goal) -> float:
        assert not names
        return goal.excess(self.score("as they are"))

    def start_from(self, names: frozenset[str], model: str) -> None:
        self.started.append((names, model))


FIRST: Any = SimpleNamespace(model="as they are")


def balanced(usual: float, with_factors: float, **policy: Any) -> tuple[Any, Trials]:
    trials = Trials(usual, with_factors, Policy(scheme="a8w8", **policy))
    return better_channels(FIRST, trials, Goal()), trials  # type: ignore[arg-type]


def test_what_is_clearly_better_is_taken_and_built_so_from_then_on() -> None:
    found, trials = balanced(4.0, 2.0)
    assert found.made.model == "balanced"
    assert found.notes == ("accuracy: channels balanced across layers, which leaves 0.5 of the noise",)
    assert found.record == pytest.approx({"without": 4.0, "with": 2.0})
    assert trials.shop.policy.balance
    assert trials.started == [(trials.base, "balanced")]


@pytest.mark.parametrize(
    ("usual", "with_factors", "policy", "built"),
    [
        (0.9, 0.1, {}, 0),
        (4.0, 3.7, {}, 1),
        (4.0, 0.1, {"equalize": True}, 0),
        (4.0, 0.1, {"smooth": "auto"}, 0),
        (4.0, 0.1, {"balance": True}, 0),
    ],
    ids=["good enough", "hardly better", "equalized", "smoothed", "balanced already"],
)
def test_else_channels_stay_as_they_are(usual: float, with_factors: float, policy: dict[str, Any], built: int) -> None:
    found, trials = balanced(usual, with_factors, **policy)
    assert found.made is FIRST
    assert not found.notes
    assert found.record is None
    assert len(trials.shop.built) == built
    assert not trials.started
    assert trials.shop.policy == Policy(scheme="a8w8", **policy)
