"""Whether a candidate is slower than float, on an idle and on a busy machine; no real time passes."""

from __future__ import annotations

from typing import Any

import pytest
from support.busy import BusyMachine, BusySession

from edgec.compiler.searching.speed import Ratio, Stopwatch

SEEDS = range(12)


def stopwatch(machine: BusyMachine, seconds: list[float], base: float = 0.0005) -> tuple[Stopwatch, list[Any]]:
    """A stopwatch whose sessions take these seconds, one after the other, the last one for good."""
    opened: list[Any] = []

    def opens(model: Any) -> Any:
        del model
        opened.append(BusySession(machine, seconds[min(len(opened), len(seconds) - 1)]))
        return opened[-1]

    reference: Any = BusySession(machine, base)
    return Stopwatch(open=opens, reopen=opens, reference=reference, feeds={}, clocks=machine.clocks), opened


def slower(machine: BusyMachine, ratio: float, base: float = 0.0005) -> bool:
    watch, _ = stopwatch(machine, [ratio * base], base)
    return watch.is_slower(None) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0, 1000, 2500])
@pytest.mark.parametrize(("ratio", "expected"), [(0.75, False), (0.97, False), (1.0, False), (1.2, True), (1.5, True)])
def test_a_busy_machine_decides_as_an_idle_one(ratio: float, expected: bool, rate: float) -> None:
    assert [slower(BusyMachine(rate=rate, slow=1.7, seed=seed), ratio) for seed in SEEDS] == [expected] * len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_long_runs_are_decided_alike(seed: int) -> None:
    def busy() -> BusyMachine:
        return BusyMachine(rate=1000, seed=seed)

    assert (slower(busy(), 1.0, 0.05), slower(busy(), 1.5, 0.05)) == (False, True)


def test_a_loss_that_noise_hides_is_no_loss() -> None:
    # Hardly a run is left alone here.
    assert not any(slower(BusyMachine(rate=4000, seed=seed), 1.03) for seed in SEEDS)


def test_microseconds_are_not_worth_a_word() -> None:
    assert slower(BusyMachine(), 1.5, 0.001)
    assert not slower(BusyMachine(), 1.5, 30e-6)


def test_a_glance_is_enough_for_what_is_far_faster() -> None:
    watch, opened = stopwatch(BusyMachine(), [0.01], base=0.02)
    assert watch.is_slower(None) is None  # type: ignore[arg-type]
    assert [each.calls for each in opened] == [2 + 3 * 2]


def test_only_a_second_session_makes_it_sure() -> None:
    watch, opened = stopwatch(BusyMachine(), [0.0006, 0.0005])
    assert watch.is_slower(None) is None  # type: ignore[arg-type]
    assert len(opened) == 2
    watch, opened = stopwatch(BusyMachine(), [0.0006])
    assert watch.is_slower(None) is not None  # type: ignore[arg-type]
    assert len(opened) == 2


def test_a_look_ends_as_soon_as_it_is_plain() -> None:
    def pairs(rate: float) -> list[int]:
        watches = [stopwatch(BusyMachine(rate=rate, seed=seed), [0.0005])[0] for seed in SEEDS]
        return [watch.ratio(None).pairs for watch in watches]  # type: ignore[arg-type]

    assert pairs(0) == [6] * len(SEEDS)
    assert 6 < max(pairs(4000)) < 400


def test_a_ratio_tells_how_surely_it_is_known_and_whether_the_machine_was_busy() -> None:
    idle = Ratio(ratio=1.2, low=1.1, high=1.3, lost=1e-3, pairs=6, busy=1.02)
    assert idle.told == "1.20x [1.10, 1.30]"
    busy = Ratio(ratio=1.2, low=1.1, high=1.3, lost=1e-3, pairs=6, busy=2.5)
    assert busy.told == "1.20x [1.10, 1.30, on a busy machine]"
