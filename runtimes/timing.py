"""Latency: several sessions timed in one run, turn by turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .base import Feeds, Latency

__all__ = ["MIN_RUNS", "Timed", "interleaved_latency", "latency_of", "run_seconds"]

MIN_RUNS = 10
WARMUP = 2  # the first run allocates the arena, the second settles it


class Timed(Protocol):
    """A session that can time one run."""

    @property
    def threads(self) -> int: ...
    def run_seconds(self, feeds: Feeds) -> float: ...


def run_seconds(sessions: Sequence[Timed], feeds: Feeds, runs: int, *, budget: float = 2.0) -> np.ndarray:
    """Seconds of each run of each session, interleaved as A B B A A B B A ...

    Args:
        sessions: What to time; all take the same feeds.
        feeds: One set of feeds, already checked.
        runs: Timed runs of each session; fewer when the budget ends first, never fewer than `MIN_RUNS`.
        budget: Seconds for all runs together.

    Returns:
        float64, shape (sessions, runs done).
    """
    for session in sessions:
        for _ in range(WARMUP):
            session.run_seconds(feeds)
    rounds: list[list[float]] = []
    started = time.perf_counter()
    while len(rounds) < max(runs, MIN_RUNS):
        if len(rounds) >= MIN_RUNS and time.perf_counter() - started > budget:
            break
        order = range(len(sessions))
        took = [0.0] * len(sessions)
        for index in order if len(rounds) % 2 == 0 else reversed(order):
            took[index] = sessions[index].run_seconds(feeds)
        rounds.append(took)
    return np.array(rounds, dtype=np.float64).T


def latency_of(seconds: np.ndarray, threads: int) -> Latency:
    """Median, 95th percentile and minimum of timed runs."""
    p50, p95 = np.percentile(seconds, [50, 95])
    return Latency(p50=float(p50), p95=float(p95), minimum=float(seconds.min()), runs=len(seconds), threads=threads)


def interleaved_latency(
    sessions: Sequence[Timed], feeds: Feeds, runs: int, *, budget: float = 2.0
) -> tuple[Latency, ...]:
    """Latency of each session, timed turn by turn in one run; arguments as those of `run_seconds`."""
    seconds = run_seconds(sessions, feeds, runs, budget=budget)
    return tuple(latency_of(row, session.threads) for row, session in zip(seconds, sessions, strict=True))
