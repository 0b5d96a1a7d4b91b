"""How sessions are timed for the proof: which ratio, and whether the machine was busy; no real time decides."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.busy import BusyMachine, BusySession

from edgec.compiler.proving import latency
from edgec.compiler.proving.latency import time_sessions
from edgec.runtimes.paired import Clocks


def timed(monkeypatch: pytest.MonkeyPatch, machine: BusyMachine, *, threads: int = 1, in_process: bool = True) -> Any:
    """A bundle that takes 0.7 of float's time."""
    monkeypatch.setattr(latency, "PROCESSOR", machine.clocks)
    monkeypatch.setattr(latency, "WALL", machine.wall_alone)
    monkeypatch.setattr(time, "perf_counter", lambda: machine.wall)
    sessions: Any = {
        "bundle": BusySession(machine, 0.0007, threads=threads),
        "float": BusySession(machine, 0.001, threads=threads),
    }
    return time_sessions(sessions, {}, threads=threads, runs=100, in_process=in_process)


@pytest.mark.parametrize("rate", [0, 1500])
def test_a_busy_machine_is_told_and_changes_the_ratio_little(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    found = timed(monkeypatch, BusyMachine(rate=rate))
    assert found.ratio == pytest.approx(0.7, rel=0.04)
    assert found.ratio_interval[0] < 0.7 < found.ratio_interval[1]
    assert found.busy == pytest.approx(1.0) if rate == 0 else found.busy > 3


def test_elsewhere_only_the_wall_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = timed(monkeypatch, BusyMachine(), in_process=False)
    assert found.busy is None
    assert found.ratio == pytest.approx(0.7, rel=0.02)


def test_several_threads_are_compared_by_their_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    found = timed(monkeypatch, BusyMachine(), threads=2)
    assert found.busy is None
    assert found.ratio == found.bundle.p50 / found.float_model.p50


def test_without_a_float_model_there_is_no_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = BusyMachine(rate=1500)
    monkeypatch.setattr(latency, "PROCESSOR", Clocks(wall=lambda: machine.wall, processor=lambda: machine.processor))
    session: Any = BusySession(machine, 0.001)
    found = time_sessions({"bundle": session}, {}, threads=1, runs=20, in_process=True)
    assert (found.ratio, found.ratio_interval, found.float_model) == (None, None, None)
    assert found.busy > 3
