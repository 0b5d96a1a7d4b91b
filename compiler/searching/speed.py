"""Whether a candidate is slower than float here, beyond doubt; what cannot be told from noise is not slower.

A pair of sessions is timed until the answer is plain: three pairs well below float's time, an interval that leaves the
limit, or one so narrow that buffers which lie elsewhere would move it as far. Slower is said only where a second
session of the candidate, opened anew, says so too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...runtimes.base import Feeds, Session
from ...runtimes.paired import BUSY, PROCESSOR, Clocks, time_pairs
from ..metrics.order_statistics import FEWEST, is_narrow, paired_ratio_interval

__all__ = ["Ratio", "Stopwatch"]

# A glance at three pairs is trusted where each leaves this much room.
_GLANCES, _ROOM = 3, 0.9
_LONG_SECONDS, _SHORT_SECONDS = 4.0, 0.5
# A loss below both is not worth a decision that another machine would take otherwise.
_LEAST_SECONDS, _LEAST_RATIO = 20e-6, 1.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """A candidate's latency over float's, one thread, with its 95% interval.

    Attributes:
        ratio: The median over pairs of blocks, of the fastest run of each.
        low, high: Its interval, widened by what another session may differ by.
        lost: Seconds it costs against float; negative where it saves some.
        pairs: Pairs of blocks.
        busy: Wall-clock over processor seconds; None where only the clock on the wall was read.
    """

    ratio: float
    low: float
    high: float
    lost: float
    pairs: int
    busy: float | None

    @property
    def slower(self) -> bool:
        """Whether it is slower than float beyond noise, and by an amount worth a word."""
        return self.low > 1.0 and self.ratio >= _LEAST_RATIO and self.lost >= _LEAST_SECONDS

    @property
    def told(self) -> str:
        """The ratio for people, with how surely it is known."""
        beside = ", on a busy machine" if self.busy is not None and self.busy >= BUSY else ""
        return f"{self.ratio:.2f}x [{self.low:.2f}, {self.high:.2f}{beside}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopwatch:
    """Times candidates against float, turn by turn, one thread.

    Attributes:
        open: Opens a model for one thread, and closes it in time; the same model's session may be kept.
        reopen: The same, anew.
        reference: float, open.
        feeds: What both run on.
        clocks: What tells the time.
    """

    open: Callable[[ir.Model], Session]
    reopen: Callable[[ir.Model], Session]
    reference: Session
    feeds: Feeds
    clocks: Clocks = PROCESSOR

    def is_slower(self, model: ir.Model) -> Ratio | None:
        """How much slower than float a model is; None where it is not, or not beyond doubt."""
        found = None
        for opened in (self.open, self.reopen):
            found = self._look(opened(model), _decided, _LONG_SECONDS)
            if not found.slower:
                return None
        return found

    def ratio(self, model: ir.Model) -> Ratio:
        """A long look at a model."""
        return self._look(self.open(model), is_narrow, _LONG_SECONDS)

    def glance(self, model: ir.Model) -> float:
        """A short look: the ratio alone."""
        return self._look(self.open(model), is_narrow, _SHORT_SECONDS).ratio

    def _look(self, session: Session, enough: Callable[[np.ndarray], bool], budget: float) -> Ratio:
        timed = time_pairs(
            session, self.reference, self.feeds, enough=enough, budget=budget, fewest=FEWEST, clocks=self.clocks
        )
        low, high = paired_ratio_interval(timed.ratios)
        ratio, base = float(np.median(timed.ratios)), float(timed.seconds[1].min())
        return Ratio(ratio=ratio, low=low, high=high, lost=(ratio - 1) * base, pairs=len(timed.ratios), busy=timed.busy)


def _decided(ratios: np.ndarray) -> bool:
    """Whether more pairs would hardly change what these say about slower."""
    if len(ratios) >= _GLANCES and ratios.max() <= _ROOM:
        return True
    low, high = paired_ratio_interval(ratios)
    return low > _LEAST_RATIO or high < _LEAST_RATIO or is_narrow(ratios)
