"""Samples of a segment: what crosses into it lies in files, one per sample; the rest comes from the user's samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...runtimes.base import Feeds
from ..samples.base import Sample, Samples, State

__all__ = ["Crossing", "spill"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossing:
    """The samples as a segment reads them.

    Attributes:
        samples: The user's.
        folder: Crossing values of sample k in `k.npz`, as `name@step`; None for the first segment.
        reads: Names of the segment's inputs.
    """

    samples: Samples
    folder: Path | None
    reads: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Where they come from."""
        return self.samples.origin

    @property
    def state(self) -> State:
        """None: a carried state ties the end of a graph to its start, and it is not cut."""
        return State()

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        for index, sample in enumerate(self.samples):
            crossing = self._crossing(index)
            steps = tuple(
                {name: step[name] if name in step else crossing[f"{name}@{number}"] for name in self.reads}
                for number, step in enumerate(sample.steps)
            )
            yield Sample(id=sample.id, steps=steps)

    def digest(self) -> str:
        """That of the user's samples."""
        return self.samples.digest()

    def _crossing(self, index: int) -> Mapping[str, np.ndarray]:
        if self.folder is None:
            return {}
        with np.load(self.folder / f"{index}.npz", allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def spill(
    crossing: Crossing,
    run: Callable[[Feeds], Mapping[str, np.ndarray]],
    *,
    keeps: Sequence[str],
    folder: Path,
) -> None:
    """Run a segment over its samples and write what later segments read.

    Args:
        crossing: The segment's samples.
        run: Feeds to the values the segment writes.
        keeps: Earlier values that go on.
        folder: Empty; gets one file per sample.
    """
    for index, sample in enumerate(crossing):
        before = crossing._crossing(index)
        arrays = {name: array for name, array in before.items() if name.rpartition("@")[0] in keeps}
        for number, feeds in enumerate(sample.steps):
            arrays |= {f"{name}@{number}": array for name, array in run(feeds).items()}
        np.savez(folder / f"{index}.npz", **arrays)  # type: ignore[arg-type]
