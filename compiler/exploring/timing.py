"""Latency of all points, measured in one place when nothing else of the search runs.

Each takes its turn beside one and the same point, in the paired blocks of `runtimes/paired.py`, in several rounds of
all of them: a machine that warms up or gets busy meets all alike, and a session opened anew each round shows what
buffers that lie elsewhere are worth. Two sessions are open at a time, however many points there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from ...runtimes.base import Feeds, Runtime, Session, SessionSettings
from ...runtimes.paired import PROCESSOR, WALL, time_pairs
from ...runtimes.recast import Recast
from ..metrics.order_statistics import FEWEST, is_narrow, paired_ratio_interval
from ..progress import Progress
from ..proving.places import Place, place_for
from .point import Measured, Point

__all__ = ["Times", "time_together"]

_ROUNDS = 3
_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds of one run by point, one thread; `why` they are not known where they are not."""

    seconds: Mapping[str, Measured] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Fed:
    """A session with the feeds of its own model."""

    session: Session
    feeds: Feeds

    @property
    def threads(self) -> int:
        return self.session.threads

    def run_seconds(self, feeds: Feeds) -> float:
        del feeds
        return self.session.run_seconds(self.feeds)


def time_together(points: Sequence[Point], progress: Progress) -> Times:
    """Time points beside the first of them.

    Args:
        points: At least one; all of one target.
        progress: Who watches.

    Raises:
        ModelError: A bundle cannot be opened.
        HostError: The place fails.
    """
    place = place_for(points[0].bundle.manifest["target"])
    why = place.runtime.available() or place.unexecuted or place.untimed
    if why:
        return Times(seconds={}, why=why)
    ratios: dict[str, list[np.ndarray]] = {point.name: [] for point in points}
    base: list[np.ndarray] = []
    with place.open() as there, closing(_opened(there, points[0])) as reference:
        beside = _Fed(reference, _feeds(points[0]))
        with progress.stage("latency", _ROUNDS * len(points)) as advance:
            for turn in range(_ROUNDS):
                for point in points if turn % 2 == 0 else reversed(points):
                    pairs = _pairs(there, place, point, beside)
                    ratios[point.name].append(pairs[0] / pairs[1])
                    base.append(pairs[1])
                    advance(1)
    unit = float(np.median(np.concatenate(base)))
    return Times(seconds={name: _measured(np.concatenate(each), unit) for name, each in ratios.items()})


def _pairs(there: Runtime, place: Place, point: Point, beside: _Fed) -> np.ndarray:
    """The fastest run of each block of point and reference, shape (2, pairs)."""
    with closing(_opened(there, point)) as session:
        return time_pairs(
            _Fed(session, _feeds(point)),
            beside,
            {},
            enough=is_narrow,
            budget=_SECONDS,
            fewest=FEWEST,
            clocks=WALL if place.elsewhere else PROCESSOR,
        ).seconds


def _opened(there: Runtime, point: Point) -> Session:
    options = point.bundle.manifest["session_options"]
    return Recast(there.open(point.bundle.model, SessionSettings(threads=1, config=options)))


def _feeds(point: Point) -> Feeds:
    return point.bundle.golden()[0][0]


def _measured(ratios: np.ndarray, unit: float) -> Measured:
    low, high = paired_ratio_interval(ratios)
    return Measured(value=float(np.median(ratios)) * unit, low=low * unit, high=high * unit)
