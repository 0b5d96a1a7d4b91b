"""Latency: several sessions timed in one run, turn by turn, so that a busy machine slows all of them alike.

A turn is a few untimed runs, then a block of timed ones. The untimed runs matter: they bring the session's
weights back into the caches, and they outlast the other session's worker threads, which ONNX Runtime lets
spin for some ten milliseconds after a run. Without them, two sessions of two threads on two cores take
twice as long as each alone (ResNet56 and MobileNetV2, ONNX Runtime 1.31.1, Zen 4, 2026-11).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .base import Feeds, Latency

__all__ = ["BLOCK", "Timed", "interleaved_latency", "latency_of", "run_seconds"]

BLOCK = 5
MIN_BLOCKS = 2  # 10 runs of each session, in the order A B B A
WARMUP = 2  # the first run allocates the arena, the second settles it
SPIN_SECONDS = 0.03  # 10 ms leaves spinners about, 30 ms does not


class Timed(Protocol):
    """A session that can time one run."""

    @property
    def threads(self) -> int: ...
    def run_seconds(self, feeds: Feeds) -> float: ...


def run_seconds(sessions: Sequence[Timed], feeds: Feeds, runs: int, *, budget: float = 2.0) -> np.ndarray:
    """Seconds of each run of each session, in blocks interleaved as A B B A A B ...

    Args:
        sessions: What to time; all take the same feeds.
        feeds: One set of feeds, already checked.
        runs: Timed runs of each session, rounded up to whole blocks; fewer when the budget ends first,
            never fewer than 10.
        budget: Seconds for all runs together.

    Returns:
        float64, shape (sessions, blocks, `BLOCK`).
    """
    for session in sessions:
        for _ in range(WARMUP):
            session.run_seconds(feeds)
    rounds: list[list[list[float]]] = []
    started = time.perf_counter()
    while len(rounds) < max(-(-runs // BLOCK), MIN_BLOCKS):
        if len(rounds) >= MIN_BLOCKS and time.perf_counter() - started > budget:
            break
        order = range(len(sessions))
        blocks: list[list[float]] = [[] for _ in order]
        for index in order if len(rounds) % 2 == 0 else reversed(order):
            session = sessions[index]
            _settle(session, feeds, alone=len(sessions) == 1)
            blocks[index] = [session.run_seconds(feeds) for _ in range(BLOCK)]
        rounds.append(blocks)
    return np.array(rounds, dtype=np.float64).swapaxes(0, 1)


def latency_of(seconds: np.ndarray, threads: int) -> Latency:
    """Median, 95th percentile and minimum of timed runs of any shape."""
    p50, p95 = np.percentile(seconds, [50, 95])
    return Latency(p50=float(p50), p95=float(p95), minimum=float(seconds.min()), runs=seconds.size, threads=threads)


def interleaved_latency(
    sessions: Sequence[Timed], feeds: Feeds, runs: int, *, budget: float = 2.0
) -> tuple[Latency, ...]:
    """Latency of each session, timed turn by turn in one run; arguments as those of `run_seconds`."""
    seconds = run_seconds(sessions, feeds, runs, budget=budget)
    return tuple(latency_of(row, session.threads) for row, session in zip(seconds, sessions, strict=True))


def _settle(session: Timed, feeds: Feeds, *, alone: bool) -> None:
    """Untimed runs: one, and with worker threads as many as fill the time the other session's keep spinning."""
    if alone:
        return
    until = time.perf_counter() + (0.0 if session.threads == 1 else SPIN_SECONDS)
    session.run_seconds(feeds)
    while time.perf_counter() < until:
        session.run_seconds(feeds)
