"""The order of runs, not their speed: a fake clock is all it takes."""

from __future__ import annotations

import numpy as np

from edgec.runtimes.timing import BLOCK, interleaved_latency, latency_of, run_seconds


class Recorder:
    """A session that writes down when it ran, and answers what it is told."""

    def __init__(self, name: str, log: list[str], seconds: float = 0.001, threads: int = 1) -> None:
        self.name, self.log, self.seconds, self.threads = name, log, seconds, threads

    def run_seconds(self, feeds):
        self.log.append(self.name)
        return self.seconds


def test_sessions_take_turns_in_mirrored_order():
    log: list[str] = []
    run_seconds([Recorder("a", log), Recorder("b", log)], {}, 4 * BLOCK)
    blocks = "".join(log[4:])  # after two warm-up runs of each
    each = BLOCK + 1  # one untimed run, then the block
    assert blocks == "a" * each + "b" * 2 * each + "a" * 2 * each + "b" * 2 * each + "a" * each


def test_every_session_gets_the_same_number_of_runs():
    log: list[str] = []
    seconds = run_seconds([Recorder("a", log, 0.002), Recorder("b", log, 0.001)], {}, 23)
    assert seconds.shape == (2, 5, BLOCK)
    assert np.all(seconds[0] == 0.002)
    assert np.all(seconds[1] == 0.001)


def test_no_budget_still_gives_ten_runs():
    seconds = run_seconds([Recorder("a", []), Recorder("b", [])], {}, 1000, budget=0.0)
    assert seconds.shape == (2, 2, BLOCK)


def test_a_session_alone_is_not_disturbed_by_untimed_runs():
    log: list[str] = []
    run_seconds([Recorder("a", log)], {}, 2 * BLOCK)
    assert len(log) == 2 + 2 * BLOCK


def test_latency_is_of_all_runs():
    seconds = np.arange(1, 101, dtype=np.float64).reshape(20, 5) / 1000
    latency = latency_of(seconds, threads=2)
    assert latency.p50 == 0.0505
    assert abs(latency.p95 - 0.09505) < 1e-9
    assert latency.minimum == 0.001
    assert (latency.runs, latency.threads) == (100, 2)


def test_interleaved_latency_keeps_the_order_of_sessions():
    fast, slow = interleaved_latency([Recorder("a", [], 0.001), Recorder("b", [], 0.003)], {}, 10)
    assert (fast.p50, slow.p50) == (0.001, 0.003)
