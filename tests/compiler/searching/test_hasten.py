"""Never slower than float: which candidate ships, from told latencies; no clock takes part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgec.compiler.searching.candidates import Candidate
from edgec.compiler.searching.hasten import hasten
from edgec.compiler.searching.speed import Ratio, Stopwatch
from edgec.compiler.searching.units import Unit, Units
from edgec.passes.recipe import Recipe
from edgec.runtimes.base import SessionSettings, TensorInfo
from edgec.runtimes.fake import FakeRuntime

COUNT = 8
NAMES = [f"conv{k}" for k in range(COUNT)]


@dataclass
class Machine:
    """Latency over float's is 1 plus what each integer unit costs: a stopwatch and a workshop in one."""

    cost: dict[str, float]
    built: list[frozenset[str]] = field(default_factory=list)

    def candidate(self, names: frozenset[str], scheme: str = "a8w8") -> Candidate:
        graph = ir.Graph([], [], nodes=[], name=",".join(sorted(names)))
        model = ir.Model(graph, ir_version=8)
        return Candidate(recipe=Recipe(scheme=scheme, passes=()), model=model, reports=())

    def mixed(self, names: frozenset[str], *, small: bool = False) -> Candidate:
        self.built.append(frozenset(names))
        return self.candidate(frozenset(names))

    def weights_alone(self) -> Candidate:
        return self.candidate(frozenset(NAMES), "w8")

    def glance(self, model: ir.Model) -> float:
        kept = set(str(model.graph.name).split(","))
        return 1.0 + sum(amount for name, amount in self.cost.items() if name not in kept)

    def ratio(self, model: ir.Model) -> Ratio:
        found = self.glance(model)
        return Ratio(ratio=found, low=found - 0.01, high=found + 0.01, lost=(found - 1) * 1e-3, pairs=9, busy=1.0)

    def is_slower(self, model: ir.Model) -> Ratio | None:
        found = self.ratio(model)
        return found if found.slower else None


@dataclass
class FakeTrials:
    shop: Machine
    units: Units


def decide(cost: dict[str, float], cap: float = 1.0) -> Any:
    machine = Machine(cost)
    units = Units(
        units=[Unit(name=n, op_type="Conv", macs=10, computes=True, sources=frozenset({n})) for n in NAMES],
        macs=dict.fromkeys(NAMES, 10),
        total_macs=10 * COUNT,
    )
    first = machine.candidate(frozenset())
    return first, hasten(first, FakeTrials(machine, units), machine, cap=cap)  # type: ignore[arg-type]


def test_what_is_not_slower_ships_as_it_is() -> None:
    first, found = decide(dict.fromkeys(NAMES, -0.05))
    assert found.made is first
    assert (found.names, found.notes, found.record) == (frozenset(), (), {})


def test_a_loss_nobody_feels_changes_nothing() -> None:
    first, found = decide(dict.fromkeys(NAMES, 0.005))
    assert found.made is first


def test_only_what_is_faster_in_float_goes_back() -> None:
    _, found = decide({**dict.fromkeys(NAMES[:6], -0.03), "conv6": 0.3, "conv7": 0.3})
    assert found.names == {"conv6", "conv7"}
    assert found.record["latency"]["after"]["ratio"] == pytest.approx(0.82)
    assert found.notes == (
        "latency: integers took 1.42x [1.41, 1.43] of float's time on one thread here, now 0.82x [0.81, 0.83]: "
        "25.0% of the MACs run in float instead",
    )


def test_where_no_integers_pay_weights_alone_are_made_small() -> None:
    _, found = decide(dict.fromkeys(NAMES, 0.1))
    assert found.final
    assert found.made.recipe.scheme == "w8"
    assert found.notes == (
        "latency: integers took 1.80x [1.79, 1.81] of float's time on one thread here: "
        "float kernels are kept, and weights stored in 8 bits",
    )


def test_a_limit_on_integer_macs_is_kept() -> None:
    first, found = decide(dict.fromkeys(NAMES, 0.1), cap=0.2)
    assert found.made is first
    assert found.notes == (
        "latency: 1.80x [1.79, 1.81] of float's on one thread here, "
        "and the contract allows no placement that is faster",
    )


def test_a_better_placement_within_the_limit_is_taken() -> None:
    _, found = decide({**dict.fromkeys(NAMES[:7], 0.015), "conv7": 0.5}, cap=0.2)
    assert found.names == {"conv7"}
    assert found.notes[0].endswith("12.5% of the MACs run in float instead, as much as the contract allows")


@pytest.mark.parametrize(
    ("ratio", "low", "lost", "slower"),
    [(1.2, 1.1, 1e-3, True), (1.2, 0.99, 1e-3, False), (1.04, 1.01, 1e-3, False), (1.2, 1.1, 1e-5, False)],
)
def test_slower_is_said_beyond_noise_and_when_worth_a_word(ratio: float, low: float, lost: float, slower: bool) -> None:
    assert Ratio(ratio=ratio, low=low, high=ratio + 0.1, lost=lost, pairs=9, busy=None).slower is slower


def test_the_stopwatch_times_float_and_candidate_on_the_same_feeds() -> None:
    info = TensorInfo(name="x", dtype=np.dtype(np.float32), shape=(1,))
    fake = FakeRuntime(answer=lambda feeds: {"y": feeds["x"]}, inputs=(info,), outputs=(info,))
    opened = []

    def open_fake(model: ir.Model) -> Any:
        opened.append(fake.open(b"", SessionSettings(threads=1)))
        return opened[-1]

    reference = open_fake(None)  # type: ignore[arg-type]
    watch = Stopwatch(open=open_fake, reopen=open_fake, reference=reference, feeds={"x": np.zeros(1, np.float32)})
    watch.ratio(None)  # type: ignore[arg-type]
    reference, candidate = opened
    assert len(reference.calls) == len(candidate.calls) > 10
    assert all(feeds is watch.feeds for session in opened for feeds in session.calls)
