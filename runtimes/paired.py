"""Two sessions timed against each other where other processes want the machine, too.

A busy machine takes the processor away every millisecond or so, and gives it back with cold caches: the runs that
follow take up to five times as long, by the processor's clock as well as by the one on the wall (0.2 ms became 1 ms on
two cores with 18 processes, ONNX Runtime 1.31.1, Zen 5, 2026-11-21). So sessions take turns in blocks short enough to
meet the same machine and long enough that one run of a block is left alone: the fastest run of each block is what
counts, one ratio per pair of blocks. Under that load the median of 16 such ratios was within 4% of the idle machine's,
where the ratio of the medians of all runs went from 0.75 to 1.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .base import Feeds
from .timing import WARMUP, Timed

__all__ = ["BUSY", "PROCESSOR", "WALL", "Clocks", "Paired", "time_pairs"]

# A block takes this long, and has this many runs: the first brings the weights back into the caches.
_BLOCK_SECONDS, _FEWEST, _MOST = 0.006, 2, 30
_PAIRS = 400
# From this many seconds on the wall per second of computing on, the processor was taken away meanwhile.
BUSY = 1.1
# Windows counts a thread's time in ticks of 15 ms.
_FINE_SECONDS = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Clocks:
    """What tells the time.

    Attributes:
        wall: Seconds that pass.
        processor: Seconds the calling thread computes; None where nobody counts them finely, or where the sessions
            do not compute in the calling thread.
    """

    wall: Callable[[], float] = time.perf_counter
    processor: Callable[[], float] | None = None


WALL = Clocks()
# One thread computes and never waits, so its processor time is its latency where nothing else runs.
PROCESSOR = Clocks(
    processor=time.thread_time if time.get_clock_info("thread_time").resolution <= _FINE_SECONDS else None
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """What was timed.

    Attributes:
        seconds: The fastest run of each block, float64, shape (2, pairs).
        runs: Timed runs of each session.
        busy: Wall-clock over processor seconds of all of them; near 1 where the processor was ours, None where only
            the clock on the wall was read.
    """

    seconds: np.ndarray
    runs: int
    busy: float | None

    @property
    def ratios(self) -> np.ndarray:
        """First over second, by pair, shape (pairs,)."""
        found: np.ndarray = self.seconds[0] / self.seconds[1]
        return found


def time_pairs(
    first: Timed,
    second: Timed,
    feeds: Feeds,
    *,
    enough: Callable[[np.ndarray], bool],
    budget: float,
    fewest: int,
    clocks: Clocks = PROCESSOR,
) -> Paired:
    """Time two sessions in short blocks, in the order A B B A, until their ratio is known well enough.

    Args:
        first: What to time.
        second: What to compare it with; both take the same feeds.
        feeds: One set of feeds, already checked.
        enough: Told the ratios of all pairs so far, whether no more are needed.
        budget: Seconds on the wall after which no pair is begun.
        fewest: Pairs that are timed even so, where they are not enough before.
        clocks: What tells the time.
    """
    sessions = (first, second)
    best = [min(_run(session, feeds, clocks)[1] for _ in range(WARMUP)) for session in sessions]
    pairs: list[tuple[float, float]] = []
    total, passed, computed = 0, 0.0, 0.0
    started = clocks.wall()
    while len(pairs) < _PAIRS:
        if len(pairs) >= fewest and clocks.wall() - started > budget:
            break
        count = int(np.clip(np.ceil(_BLOCK_SECONDS / max(*best, 1e-9)), _FEWEST, _MOST))
        fastest = [0.0, 0.0]
        for index in (0, 1) if len(pairs) % 2 == 0 else (1, 0):
            runs = [_run(sessions[index], feeds, clocks) for _ in range(count)]
            fastest[index] = min(own for _, own in runs)
            passed += sum(wall for wall, _ in runs)
            computed += sum(own for _, own in runs)
        total += count
        best = [min(known, new) for known, new in zip(best, fastest, strict=True)]
        pairs.append((fastest[0], fastest[1]))
        if enough(np.array([mine / theirs for mine, theirs in pairs])):
            break
    busy = passed / computed if clocks.processor is not None and computed > 0 else None
    return Paired(seconds=np.array(pairs, np.float64).reshape(-1, 2).T, runs=total, busy=busy)


def _run(session: Timed, feeds: Feeds, clocks: Clocks) -> tuple[float, float]:
    """Seconds of one run: on the wall, and of the processor where that is known."""
    if clocks.processor is None:
        seconds = session.run_seconds(feeds)
        return seconds, seconds
    started = clocks.processor()
    wall = session.run_seconds(feeds)
    own = clocks.processor() - started
    return (
        wall,
        own if own > 0 else wall,
    )  # a clock that ticks seldom, or stands still beside busy neighbours, saw nothing
