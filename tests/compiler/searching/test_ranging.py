"""Another way to take ranges is chosen only where the goal is missed, and only where it is clearly better."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity
from edgec.compiler.searching.ranging import better_ranges
from edgec.targets.policy import Policy


@dataclass(frozen=True)
class Shop:
    """Candidates are the names of their ways."""

    policy: Policy
    built: list[str] = field(default_factory=list)

    def mixed(self, names: frozenset[str], *, small: bool) -> Any:
        assert names == {"stem"}
        assert small
        self.built.append(self.policy.calibration_method)
        return SimpleNamespace(model=self.policy.calibration_method)


class Trials:
    """Noise by way, in multiples of what the goal allows."""

    def __init__(self, noise: dict[str, float], policy: Policy) -> None:
        self.noise = noise
        self.shop = Shop(policy=policy)
        self.base = frozenset({"stem"})
        self.bench = SimpleNamespace(score=self.score, score_each=lambda model: [self.score(model)])
        self.started: list[tuple[frozenset[str], str]] = []

    def score(self, model: str) -> dict[str, Fidelity]:
        return {"y": Fidelity(kind="image", noise=self.noise[model] * 10**-3.6)}

    def excess(self, names: frozenset[str], goal: Goal) -> float:
        assert not names
        return goal.excess(self.score("auto"))

    def start_from(self, names: frozenset[str], model: str) -> None:
        self.started.append((names, model))


FIRST: Any = SimpleNamespace(model="auto")


def ranged(noise: dict[str, float], policy: Policy | None = None) -> tuple[Any, Trials]:
    trials = Trials(noise, policy or Policy(scheme="a8w8"))
    return better_ranges(FIRST, trials, Goal()), trials  # type: ignore[arg-type]


def test_the_least_noisy_way_is_taken_and_built_by_from_then_on() -> None:
    found, trials = ranged({"auto": 4.0, "percentile": 3.0, "mse": 3.5, "sqnr": 3.6, "minmax": 8.0})
    assert found.made.model == "percentile"
    assert found.notes == ("accuracy: ranges by percentile, which leaves 0.75 of the noise that `auto` does",)
    assert found.record == pytest.approx({"auto": 4.0, "percentile": 3.0, "mse": 3.5, "sqnr": 3.6, "minmax": 8.0})
    assert trials.shop.policy.calibration_method == "percentile"
    assert trials.started == [(trials.base, "percentile")]


@pytest.mark.parametrize(
    ("noise", "policy"),
    [
        ({"auto": 0.9}, None),
        ({"auto": 4.0}, Policy(scheme="a8w8", calibration_method="mse")),
        ({"auto": 4.0, "percentile": 3.7, "mse": 3.9, "sqnr": 3.8, "minmax": 9.0}, None),
    ],
    ids=["good enough", "the user's way", "hardly better"],
)
def test_else_the_usual_way_stays(noise: dict[str, float], policy: Policy | None) -> None:
    found, trials = ranged(noise, policy)
    assert found.made is FIRST
    assert found.notes == ()
    assert found.record is None
    assert trials.started == []
    assert trials.shop.built == ([] if len(noise) == 1 else ["percentile", "mse", "sqnr", "minmax"])
