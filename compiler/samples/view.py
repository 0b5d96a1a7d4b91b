"""`View`: the samples of a reader, or a choice of them, checked and digested as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Protocol, TypeVar

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Sample, Samples, State
from .check import conform
from .digest import SampleDigest, combine, sample_digest

__all__ = ["Reader", "SamplesReader", "View", "pick"]

T = TypeVar("T")


class Reader(Protocol):
    """Reads samples of one format, unchecked."""

    @property
    def origin(self) -> str: ...
    def count(self) -> int:
        """How many samples there are; may cost a pass the first time."""
        ...

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        """Samples at the `wanted` indices, which ascend; all of them for None."""
        ...


class View:
    """Samples at chosen indices of a reader.

    Each sample is checked against the model's inputs, and hashed the first time it passes by, so that after one
    complete pass `digest` costs nothing. Views of one reader share what was hashed.

    Args:
        reader: Where samples come from.
        inputs: Every input of the model; None when the samples are known to fit.
        state: Carried inputs.
        wanted: Ascending indices; None for all.
        origin: Says more than the reader's own origin.
        known: Digests by index, shared.
    """

    def __init__(
        self,
        reader: Reader,
        inputs: Sequence[TensorInfo] | None,
        state: State,
        *,
        wanted: Sequence[int] | None = None,
        origin: str = "",
        known: dict[int, SampleDigest] | None = None,
    ) -> None:
        self.reader = reader
        self.inputs = None if inputs is None else tuple(inputs)
        self._state = state
        self._wanted = wanted
        self._origin = origin or reader.origin
        self._known: dict[int, SampleDigest] = {} if known is None else known

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def state(self) -> State:
        return self._state

    def __len__(self) -> int:
        return self.reader.count() if self._wanted is None else len(self._wanted)

    def __iter__(self) -> Iterator[Sample]:
        labelled: bool | None = None
        read = 0
        for index, raw in zip(
            count() if self._wanted is None else self._wanted, self.reader.read(self._wanted), strict=False
        ):
            sample = raw if self.inputs is None else conform(raw, self.inputs, self._state)
            labelled = _same(labelled, sample)
            if index not in self._known:
                self._known[index] = sample_digest(sample)
            read += 1
            yield sample
        if self._wanted is not None and read < len(self._wanted):
            raise SamplesError(
                self._origin,
                f"gave {read} of {len(self._wanted)} samples chosen",
                remedy="Give the same samples in every pass",
            )

    def digests(self) -> list[SampleDigest]:
        """Digest of each sample in order; reads the samples not hashed so far."""
        indices = range(len(self)) if self._wanted is None else self._wanted
        if any(index not in self._known for index in indices):
            for _ in self:
                pass
        return [self._known[index] for index in indices]

    def digest(self) -> str:
        return combine(self.digests())

    def choose(self, positions: Sequence[int], origin: str) -> View:
        """The samples at ascending positions of this view."""
        wanted = positions if self._wanted is None else [self._wanted[position] for position in positions]
        return View(self.reader, self.inputs, self._state, wanted=wanted, origin=origin, known=self._known)


class SamplesReader:
    """Reads from any `Samples`, so that they can be checked, limited and split."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def origin(self) -> str:
        return self._samples.origin

    def count(self) -> int:
        return len(self._samples)

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        return pick(self._samples, wanted)


def pick(items: Iterable[T], wanted: Sequence[int] | None) -> Iterator[T]:
    """The items at ascending indices, reading no further than the last one; all of them for None."""
    if wanted is None:
        yield from items
        return
    stream = enumerate(items)
    for index in wanted:
        for position, item in stream:
            if position == index:
                yield item
                break


def _same(labelled: bool | None, sample: Sample) -> bool:
    has = sample.label is not None
    if labelled is not None and labelled != has:
        raise SamplesError(
            sample.id,
            "has a label, samples before it have none" if has else "has no label, samples before it have one",
            remedy="Give every sample a label, or none",
        )
    return has
