"""Samples: feeds for the model, read lazily, for calibration or evaluation.

A sample is a sequence of steps; most models take one. `State` says which outputs are fed back
as inputs between the steps of one sample (streaming audio, recurrent nets, KV caches).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Protocol, TypeAlias

import numpy as np

__all__ = ["DataSource", "Feeds", "Sample", "Samples", "State"]

Feeds: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """Outputs fed back as inputs from step to step: `carried = {input: output}`.

    `start` holds the value of an input at step 0; one not given starts at zeros of the model
    input's shape (unknown dimensions are 1).
    """

    carried: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One sample: its steps in order, and what is known to be true of it.

    Attributes:
        id: Names the sample in messages: `faces.npz[12]`, `img/0003.jpg`.
        steps: Feeds of each step, batch axis included (size 1), carried inputs left out.
        label: Ground truth, any shape, or None.
    """

    id: str
    steps: tuple[Feeds, ...]
    label: np.ndarray | None = None

    @property
    def feeds(self) -> Feeds:
        """Feeds of a sample that has one step."""
        return self.steps[0]


class Samples(Protocol):
    """A source of samples that can be read more than once, one sample in memory at a time."""

    @property
    def origin(self) -> str:
        """Where they come from, for messages and the manifest."""
        ...

    @property
    def state(self) -> State: ...

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Sample]: ...
    def digest(self) -> str:
        """sha256 over every array and label in order, hex."""
        ...


# What a user may give: a file, a folder or `module:function` by name, or Python objects that yield feeds
# (what an item may be stands in `python.py`).
DataSource: TypeAlias = str | PathLike[str] | Samples | Iterable[object] | Callable[[], Iterable[object]]
