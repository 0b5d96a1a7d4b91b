"""Weights are rounded by second order only where the goal is missed, nobody chose a rounding, and it helps."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.outputs import Fidelity
from edgec.compiler.searching.rounding import better_rounding
from edgec.targets.policy import Policy

NAMES = frozenset({"stem", "head"})
FIRST: Any = SimpleNamespace(model="nearest")


@dataclass(frozen=True)
class Shop:
    """Candidates are how weights are rounded."""

    policy: Policy
    built: list[str] = field(default_factory=list)

    def mixed(self, names: frozenset[str], *, small: bool) -> Any:
        assert names == NAMES
        assert small
        self.built.append(self.policy.rounding)
        return SimpleNamespace(model=self.policy.rounding)


class Trials:
    """Noise by sample in multiples of what the goal allows; over all, their mean."""

    def __init__(self, noise: dict[str, list[float]], policy: Policy) -> None:
        self.noise = noise
        self.shop = Shop(policy=policy)
        self.bench = SimpleNamespace(score=self.score, score_each=self.score_each)

    def score(self, model: str) -> dict[str, Fidelity]:
        noise = self.noise[model]
        return {"y": Fidelity(kind="image", noise=sum(noise) / len(noise) * 10**-3.6)}

    def score_each(self, model: str) -> list[dict[str, Fidelity]]:
        return [{"y": Fidelity(kind="image", noise=each * 10**-3.6)} for each in self.noise[model]]


def rounding(nearest: list[float], gptq: list[float], **policy: Any) -> tuple[Any, Trials]:
    trials = Trials({"nearest": nearest, "gptq": gptq}, Policy(scheme="a8w8", **policy))
    return better_rounding(FIRST, trials, Goal(), NAMES), trials  # type: ignore[arg-type]


def test_what_is_clearly_better_ships() -> None:
    found, trials = rounding([4.0, 4.0], [2.0, 4.0])
    assert found.made.model == "gptq"
    assert found.notes == ("accuracy: weights rounded by what their layers lose, which leaves 0.75 of the noise",)
    assert found.record == pytest.approx({"nearest": 4.0, "gptq": 3.0})
    assert trials.shop.policy.rounding == "nearest"  # trials go on with what takes no time to build


@pytest.mark.parametrize(
    ("nearest", "gptq", "policy", "built"),
    [
        ([0.9, 0.9], [0.1, 0.1], {}, 0),
        ([4.0, 4.0], [3.9, 3.9], {}, 1),
        ([1.0, 1.0, 20.0], [2.0, 2.0, 8.0], {}, 1),
        ([4.0, 4.0], [1.0, 1.0], {"rounding": "adaround"}, 0),
    ],
    ids=["good enough", "hardly better", "better on one sample alone", "the user's"],
)
def test_else_weights_are_rounded_to_the_nearest(
    nearest: list[float], gptq: list[float], policy: dict[str, Any], built: int
) -> None:
    found, trials = rounding(nearest, gptq, **policy)
    assert found.made is FIRST
    assert found.notes == ()
    assert found.record is None
    assert len(trials.shop.built) == built
