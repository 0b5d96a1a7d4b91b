"""Two sessions in short turns, on a machine whose clocks are told what to show."""

from __future__ import annotations

import numpy as np
import pytest
from support.busy import BusyMachine, BusySession

from edgec.runtimes.paired import WALL, Clocks, time_pairs


def never(ratios: np.ndarray) -> bool:
    return False


def test_blocks_alternate_and_swap_their_order():
    log: list[str] = []

    class Recorder:
        threads = 1

        def __init__(self, name: str) -> None:
            self.name = name

        def run_seconds(self, feeds: object) -> float:
            log.append(self.name)
            return 0.004

    found = time_pairs(
        Recorder("a"), Recorder("b"), {}, enough=lambda ratios: len(ratios) == 3, budget=9.0, fewest=1, clocks=WALL
    )
    assert "".join(log) == "aabb" + "aabb" + "bbaa" + "aabb"  # warm-up, then blocks of two runs of 4 ms
    assert (found.seconds.shape, found.runs, found.busy) == ((2, 3), 6, None)


@pytest.mark.parametrize(("seconds", "runs"), [(1.0, 2), (0.0029, 3), (0.001, 6), (1e-6, 30)])
def test_a_block_takes_some_milliseconds(seconds: float, runs: int) -> None:
    machine = BusyMachine()
    pair = [BusySession(machine, seconds), BusySession(machine, seconds / 2)]
    found = time_pairs(*pair, {}, enough=lambda ratios: True, budget=9.0, fewest=1, clocks=machine.clocks)
    assert found.runs == runs
    assert [each.calls for each in pair] == [2 + runs, 2 + runs]


def test_the_budget_ends_the_pairs_but_not_before_the_fewest():
    machine = BusyMachine()
    pair = [BusySession(machine, 1.0), BusySession(machine, 1.0)]
    assert time_pairs(*pair, {}, enough=never, budget=0.0, fewest=6, clocks=machine.clocks).seconds.shape == (2, 6)
    assert time_pairs(*pair, {}, enough=never, budget=30.0, fewest=6, clocks=machine.clocks).seconds.shape == (2, 8)


def test_a_processor_clock_that_ticks_seldom_gives_way_to_the_wall():
    """Windows counts a thread's time in steps of 15.6 ms; a virtual machine may leave out what a neighbour took."""
    machine = BusyMachine()
    pair = [BusySession(machine, 0.002), BusySession(machine, 0.004)]
    still = Clocks(wall=machine.clocks.wall, processor=lambda: 1.0)
    found = time_pairs(*pair, {}, enough=lambda ratios: len(ratios) == 3, budget=9.0, fewest=1, clocks=still)
    np.testing.assert_allclose(found.ratios, 0.5, rtol=0.05)


def test_an_idle_machine_is_not_busy():
    machine = BusyMachine()
    pair = [BusySession(machine, 0.001), BusySession(machine, 0.002)]
    found = time_pairs(*pair, {}, enough=never, budget=0.5, fewest=6, clocks=machine.clocks)
    assert found.busy == pytest.approx(1.0)
    assert found.ratios == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ratio", [0.5, 0.75, 1.0, 1.3])
def test_a_busy_machine_changes_the_ratio_little(ratio: float, seed: int) -> None:
    machine = BusyMachine(rate=2000, slow=1.7, seed=seed)
    pair = [BusySession(machine, 0.0005 * ratio), BusySession(machine, 0.0005)]
    found = time_pairs(*pair, {}, enough=never, budget=4.0, fewest=6, clocks=machine.clocks)
    assert found.busy is not None
    assert found.busy > 2
    assert float(np.median(found.ratios)) == pytest.approx(ratio, rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_long_runs_are_told_apart_by_the_processor_not_by_the_wall(seed: int) -> None:
    def spread(*, alone: bool) -> float:
        machine = BusyMachine(rate=100, seed=seed)
        pair = [BusySession(machine, 0.1), BusySession(machine, 0.1)]
        clocks = machine.wall_alone if alone else machine.clocks
        return float(np.ptp(time_pairs(*pair, {}, enough=never, budget=20.0, fewest=6, clocks=clocks).ratios))

    assert spread(alone=False) < 0.1 < 0.2 < spread(alone=True)
