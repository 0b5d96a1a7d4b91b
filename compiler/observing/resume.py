"""Observe over the samples, from where an interrupted compile left off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...passes.observe.instrument import Probe, Totals
from ...passes.observe.saved import load_totals, save_totals
from ..samples import sample_digest
from ..samples.base import Sample, Samples
from .cache import Entry, ObservationCache

__all__ = ["Checkpoint", "Recalled", "Stale", "recall"]

# Observing that takes less is done again sooner than it is read.
WORTH_KEEPING = 2.0
# Seconds between two writes, and how many times longer than the last one took.
_EVERY = 5.0
_RARELY = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Recalled:
    """What an entry knows: totals, how many samples are in them and their digest, and whether these are all."""

    totals: Totals = field(default_factory=dict)
    skip: tuple[int, str] = (0, "")
    complete: bool = False


class Stale(Exception):  # noqa: N818 - no error: the samples are others than those observed before
    """The samples passed over are not those that were observed before."""


@dataclass(kw_only=True, slots=True)
class Checkpoint:
    """Writes the totals now and then, and at the end when observing took long enough.

    Attributes:
        cache: Where to.
        key: Which entry.
        probes: Whose totals.
        skip: Samples taken over from an entry, and their digest.
    """

    cache: ObservationCache
    key: str
    probes: Sequence[Probe]
    skip: tuple[int, str] = (0, "")
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _samples: int = 0
    _started: float = field(default_factory=time.monotonic)
    _due: float = field(default_factory=lambda: time.monotonic() + _EVERY)

    def passed(self, batch: Sequence[Sample]) -> None:
        """Check samples that are not observed again.

        Raises:
            Stale: They are others.
        """
        self._count(batch)
        if self._samples >= self.skip[0] and (self._samples, self._digest.hexdigest()) != self.skip:
            raise Stale

    def done(self, batch: Sequence[Sample], totals: Totals) -> None:
        """Remember that a batch is in the totals; write them when it is time.

        Raises:
            Stale: This batch holds samples of before: it was cut elsewhere.
        """
        if self._samples < self.skip[0]:
            raise Stale
        self._count(batch)
        now = time.monotonic()
        if now >= self._due:
            self._write(totals, complete=False)
            ended = time.monotonic()
            self._due = ended + max(_EVERY, _RARELY * (ended - now))

    def finish(self, totals: Totals) -> None:
        """All samples are in the totals."""
        if self._samples and (self.skip[0] or time.monotonic() - self._started >= WORTH_KEEPING):
            self._write(totals, complete=True)

    def _count(self, batch: Sequence[Sample]) -> None:
        for sample in batch:
            digest = sample_digest(sample)
            self._digest.update(digest.feeds)
        self._samples += len(batch)

    def _write(self, totals: Totals, *, complete: bool) -> None:
        arrays = save_totals(self.probes, totals)
        entry = Entry(samples=self._samples, digest=self._digest.hexdigest(), complete=complete, arrays=arrays)
        self.cache.write(self.key, entry)


def recall(cache: ObservationCache, key: str, probes: Sequence[Probe], samples: Samples) -> Recalled:
    """What is known of the first samples.

    A complete entry is one only for the very same samples, all of which are read to see it.
    """
    entry = cache.read(key)
    if entry is None or entry.samples > len(samples):
        return Recalled()
    try:
        totals = load_totals(probes, entry.arrays)
    except ValueError:
        return Recalled()
    if not (entry.complete and entry.samples == len(samples)):
        return Recalled(totals=totals, skip=(entry.samples, entry.digest))
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(sample_digest(sample).feeds)
    return Recalled(totals=totals, complete=True) if digest.hexdigest() == entry.digest else Recalled()
