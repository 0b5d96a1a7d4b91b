"""A cheap node that makes nearly all of the noise goes back to float first; nothing else does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edgec.compiler.searching.faults import without_faults
from edgec.compiler.searching.goal import Goal
from edgec.compiler.searching.units import Unit, Units

FIRST: Any = SimpleNamespace(model="as it is")


class Trials:
    """Nodes n0, n1, … whose noise adds up, in multiples of what the goal allows."""

    def __init__(self, noise: list[float], macs: list[int], *, wide_share: float | None = None) -> None:
        self.noise = {f"n{k}": each for k, each in enumerate(noise)}
        units = tuple(
            Unit(name=name, op_type="Conv", macs=each, computes=True, sources=frozenset({name}))
            for name, each in zip(self.noise, macs, strict=True)
        )
        self.units = Units(units=units, macs={each.name: each.macs for each in units}, total_macs=sum(macs))
        self.base: frozenset[str] = frozenset()
        self.shop = SimpleNamespace(
            target=SimpleNamespace(wide_share=wide_share), mixed=lambda names: SimpleNamespace(model=sorted(names))
        )
        self.started: list[tuple[frozenset[str], list[str]]] = []

    def excess(self, names: frozenset[str], goal: Goal) -> float:
        return sum(noise for name, noise in self.noise.items() if name not in names)

    rough_loss = excess

    def start_from(self, names: frozenset[str], model: list[str]) -> None:
        self.started.append((names, model))


def faults(noise: list[float], macs: list[int], **options: Any) -> tuple[Any, Trials]:
    trials = Trials(noise, macs, **options)
    return without_faults(FIRST, trials, Goal()), trials  # type: ignore[arg-type]


def test_the_planted_node_is_found_and_everything_starts_without_it() -> None:
    found, trials = faults([0.5] * 5 + [90.0] + [0.5] * 6, [100] * 5 + [10] + [100] * 6)
    assert found.names == {"n5"}
    assert found.made.model == ["n5"]
    assert trials.started == [(frozenset({"n5"}), ["n5"])]
    assert found.record["nodes"] == ["n5"]
    assert found.record["excess"] == pytest.approx([95.5, 5.5])
    (note,) = found.notes
    assert note == ("accuracy: 1 node kept in float (0.9% of the MACs), without which 0.058 of the noise is left")


def test_two_of_them_are_found_one_after_the_other() -> None:
    found, _ = faults(
        [0.5] * 3 + [90.0] + [0.5] * 3 + [40.0] + [0.5] * 4, [100] * 3 + [5] + [100] * 3 + [5] + [100] * 4
    )
    assert found.names == {"n3", "n7"}


@pytest.mark.parametrize(
    ("noise", "macs", "options"),
    [
        ([0.5, 9.0, 0.4], [500, 1, 500], {}),
        ([20.0] * 12, [100] * 12, {}),
        ([1.0, 90.0, 1.0], [100, 100, 100], {}),
        ([1.0, 90.0, 1.0], [500, 1, 500], {"wide_share": 0.25}),
    ],
    ids=["not that noisy", "nobody stands out", "dear", "16 bits mend it"],
)
def test_else_nothing_changes(noise: list[float], macs: list[int], options: dict[str, Any]) -> None:
    found, trials = faults(noise, macs, **options)
    assert found.made is FIRST
    assert (found.names, found.notes, found.record) == (frozenset(), (), {})
    assert trials.started == []
