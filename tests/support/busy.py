"""A machine for tests whose clocks a fake session moves: no real time passes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgec.runtimes.base import Feeds
from edgec.runtimes.paired import Clocks

__all__ = ["BusyMachine", "BusySession"]

_COLD, _SLICE = 0.0008, 0.003
_MODE = 0.05


@dataclass
class BusyMachine:
    """Takes the processor away now and then.

    Each time costs up to 0.8 ms of the processor's own time, as the caches are cold, and some slices on the wall.

    Attributes:
        rate: How often in a second of computing.
        slow: How many times slower everything is during a tenth of the time, as where a neighbour shares the core.
        seed: Of the disturbances.
    """

    rate: float = 0.0
    slow: float = 1.0
    seed: int = 0
    wall: float = 0.0
    processor: float = 0.0
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    @property
    def clocks(self) -> Clocks:
        return Clocks(wall=lambda: self.wall, processor=lambda: self.processor)

    @property
    def wall_alone(self) -> Clocks:
        return Clocks(wall=lambda: self.wall)

    def run(self, seconds: float) -> float:
        """What the clock on the wall says of a run of that many seconds."""
        if int(self.wall / _MODE) % 10 == 0:
            seconds *= self.slow
        times = self._rng.poisson(self.rate * seconds)
        cold = _COLD * float(self._rng.random(times).sum())
        waited = _SLICE * float(self._rng.uniform(1, 4, times).sum())
        computed = seconds * (1 + 0.01 * self._rng.random()) + cold
        self.processor += computed
        self.wall += computed + waited
        return computed + waited


@dataclass
class BusySession:
    """A session that takes this long where nothing else runs."""

    machine: BusyMachine
    seconds: float
    threads: int = 1
    calls: int = 0

    def run_seconds(self, feeds: Feeds) -> float:
        del feeds
        self.calls += 1
        return self.machine.run(self.seconds)
