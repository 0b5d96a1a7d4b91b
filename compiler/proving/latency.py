"""Latency of a bundle beside float's: how long runs take here and now, and a ratio that a busy machine sways less.

Percentiles are of what passed on the wall, other processes included. With one thread, the ratio is that of the fastest
runs of paired blocks, in this process by the thread's own processor time (`runtimes/paired.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ...runtimes.base import Feeds, Session
from ...runtimes.paired import PROCESSOR, WALL, Clocks, time_pairs
from ...runtimes.timing import latency_of, run_seconds
from ..metrics.intervals import Interval, median_ratio_interval, quantile_ratio_interval
from ..metrics.order_statistics import FEWEST, is_narrow, paired_ratio_interval
from .proof import LatencyProof

__all__ = ["time_sessions"]

_SECONDS = 2.0


def time_sessions(
    sessions: Mapping[str, Session], feeds: Feeds, *, threads: int, runs: int, in_process: bool
) -> LatencyProof:
    """Time sessions of as many threads, turn by turn.

    Args:
        sessions: `bundle`; where there are such, `float` and `without`, the bundle without its session options.
        feeds: One set of feeds, already checked.
        threads: Intra-op threads they were opened with.
        runs: Timed runs of each, fewer when two seconds have passed, at least ten.
        in_process: They run in this very process.
    """
    clocks = PROCESSOR if in_process and threads == 1 else WALL
    rows, busy = _busy_while(clocks, lambda: run_seconds(list(sessions.values()), feeds, runs, budget=_SECONDS))
    seconds = dict(zip(sessions, rows, strict=True))
    each = {name: latency_of(row, threads) for name, row in seconds.items()}
    ratio: float | None = None
    interval: Interval | None = None
    p95_ratio: float | None = None
    p95_interval: Interval | None = None
    if "float" in seconds:
        mine, theirs = seconds["bundle"], seconds["float"]
        ratio, interval = each["bundle"].p50 / each["float"].p50, median_ratio_interval(mine, theirs)
        p95_ratio = each["bundle"].p95 / each["float"].p95
        p95_interval = quantile_ratio_interval(mine, theirs, 0.95)
    if "float" in seconds and threads == 1:
        paired = time_pairs(
            sessions["bundle"], sessions["float"], feeds,
            enough=is_narrow, budget=_SECONDS, fewest=FEWEST, clocks=clocks,
        )  # fmt: skip
        ratio, interval = float(np.median(paired.ratios)), paired_ratio_interval(paired.ratios)
    return LatencyProof(
        threads=threads,
        bundle=each["bundle"],
        float_model=each.get("float"),
        ratio=ratio,
        ratio_interval=interval,
        p95_ratio=p95_ratio,
        p95_ratio_interval=p95_interval,
        without_options=each.get("without"),
        busy=busy,
    )


def _busy_while(clocks: Clocks, timed: Callable[[], np.ndarray]) -> tuple[np.ndarray, float | None]:
    """What was timed, and the seconds that passed meanwhile per second the thread computed."""
    if clocks.processor is None:
        return timed(), None
    wall, processor = clocks.wall(), clocks.processor()
    found = timed()
    return found, (clocks.wall() - wall) / max(clocks.processor() - processor, 1e-9)
