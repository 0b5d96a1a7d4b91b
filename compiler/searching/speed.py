"""Whether a candidate is slower than float here, beyond doubt: two answers, the quick one first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...runtimes.base import Feeds, Session
from ...runtimes.timing import run_seconds
from ..metrics.intervals import median_ratio_interval

__all__ = ["Ratio", "is_clearly_faster", "ratios"]

_GLANCES = 3
# A glance at three runs is trusted where it leaves this much room.
_ROOM = 0.9
_RUNS, _BUDGET = 30, 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """A candidate's median latency over float's, one thread, with its 95% interval.

    Attributes:
        ratio: The medians' ratio.
        low, high: Its interval.
        seconds: The candidate's median.
        saved: Seconds it saves against float; negative where it costs.
    """

    ratio: float
    low: float
    high: float
    seconds: float
    saved: float

    @property
    def slower(self) -> bool:
        """Whether it is slower than float beyond noise."""
        return self.low > 1.0


def is_clearly_faster(candidate: Session, reference: Session, feeds: Feeds) -> bool:
    """Whether a glance shows that the candidate is faster: minimum of a few runs, a tenth of room."""
    fastest = []
    for session in (candidate, reference):
        session.run_seconds(feeds)
        fastest.append(min(session.run_seconds(feeds) for _ in range(_GLANCES)))
    return fastest[0] <= _ROOM * fastest[1]


def ratios(sessions: Sequence[Session], reference: Session, feeds: Feeds) -> list[Ratio]:
    """Each session against float, all timed in one run, turn by turn."""
    *rows, base = run_seconds([*sessions, reference], feeds, _RUNS, budget=_BUDGET)
    middle = float(np.median(base))
    found = []
    for row in rows:
        low, high = median_ratio_interval(row, base)
        mine = float(np.median(row))
        found.append(Ratio(ratio=mine / middle, low=low, high=high, seconds=mine, saved=middle - mine))
    return found
