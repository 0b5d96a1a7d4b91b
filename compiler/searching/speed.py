"""Whether a candidate is slower than float here, beyond doubt: a glance first, then two long looks that must agree.

One thread computes and never waits, so the processor time of that thread is its latency on an idle machine; other
processes disturb it far less than the clock on the wall.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...runtimes.base import Feeds, Session
from ...runtimes.timing import run_seconds
from ..metrics.intervals import median_ratio_interval

__all__ = ["Ratio", "Stopwatch"]

_GLANCES = 3
# A glance at three runs is trusted where it leaves this much room.
_ROOM = 0.9
_LONG_RUNS, _LONG_SECONDS = 40, 1.5
_SHORT_RUNS, _SHORT_SECONDS = 10, 0.2
# A loss below both is not worth a decision that another machine would take otherwise.
_LEAST_SECONDS, _LEAST_RATIO = 20e-6, 1.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """A candidate's median latency over float's, one thread, with its 95% interval.

    Attributes:
        ratio: The medians' ratio.
        low, high: Its interval.
        lost: Seconds it costs against float; negative where it saves some.
    """

    ratio: float
    low: float
    high: float
    lost: float

    @property
    def slower(self) -> bool:
        """Whether it is slower than float beyond noise, and by an amount worth a word."""
        return self.low > 1.0 and self.ratio >= _LEAST_RATIO and self.lost >= _LEAST_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class _OnProcessor:
    """A session of one thread, timed by the processor time of that thread where the system counts it finely."""

    session: Session
    threads: int = 1

    def run_seconds(self, feeds: Feeds) -> float:
        if time.get_clock_info("thread_time").resolution > 1e-6:  # Windows counts in ticks of 15 ms
            return self.session.run_seconds(feeds)
        started = time.thread_time()
        self.session.run_seconds(feeds)
        return time.thread_time() - started


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopwatch:
    """Times candidates against float, turn by turn, one thread.

    Attributes:
        open: Opens a model for one thread, and closes it in time.
        reference: float, open.
        feeds: What both run on.
    """

    open: Callable[[ir.Model], Session]
    reference: Session
    feeds: Feeds

    def is_slower(self, model: ir.Model) -> Ratio | None:
        """How much slower than float a model is; None where it is not, or not beyond doubt."""
        session = self.open(model)
        if self._glance(session) <= _ROOM * self._glance(self.reference):
            return None
        looks = [self._look(session)]
        if looks[0].slower:
            looks.append(self._look(session))
        return looks[-1] if len(looks) == 2 and looks[-1].slower else None

    def ratio(self, model: ir.Model) -> Ratio:
        """A long look at a model."""
        return self._look(self.open(model))

    def fastest_ratio(self, model: ir.Model) -> float:
        """A short look: the fastest run over float's, which a busy machine disturbs least."""
        timed = _OnProcessor(session=self.open(model))
        mine, theirs = run_seconds([timed, self._base], self.feeds, _SHORT_RUNS, budget=_SHORT_SECONDS)
        return float(mine.min() / theirs.min())

    @property
    def _base(self) -> _OnProcessor:
        return _OnProcessor(session=self.reference)

    def _glance(self, session: Session) -> float:
        timed = _OnProcessor(session=session)
        timed.run_seconds(self.feeds)
        return min(timed.run_seconds(self.feeds) for _ in range(_GLANCES))

    def _look(self, session: Session) -> Ratio:
        mine, theirs = run_seconds(
            [_OnProcessor(session=session), self._base], self.feeds, _LONG_RUNS, budget=_LONG_SECONDS
        )
        low, high = median_ratio_interval(mine, theirs)
        ours, others = float(np.median(mine)), float(np.median(theirs))
        return Ratio(ratio=ours / others, low=low, high=high, lost=ours - others)
