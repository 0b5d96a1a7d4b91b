"""What was observed of a segment and what crosses out of it, in the journal of a compile: found again by the next.

A segment is known by the segments before it, its own graph and weights, the samples, and all that is asked. An
observation of large arrays is read again each time one is asked for: all Gram matrices of a model never lie in memory
together.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...passes.observe.statistics import Gram, Histogram, Mean, Need, Observation, Range
from ..journal import Away, Journal
from ..loading.file_tensor import FileTensor
from ..materialize import in_memory
from ..samples.base import Samples
from .cut import Segment

__all__ = ["KeptSegment", "first_key", "keep_segment", "next_key", "recall_segment"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeptSegment:
    """A segment that is through.

    Attributes:
        observations: What was measured in it.
        crossing: Folder of what later segments read.
    """

    observations: dict[Need, Observation]
    crossing: Path


_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Gram, Histogram, Mean, Range)}


class _AwayGram(Gram):
    """A Gram matrix that is read each time it is asked for."""

    __slots__ = ("_away",)
    _away: Away

    def __init__(self, away: Away, rows: int) -> None:
        object.__setattr__(self, "_away", away)
        object.__setattr__(self, "rows", rows)

    @property
    def matrix(self) -> np.ndarray:
        return self._away.read()


def first_key(samples: Samples, needs: Sequence[Need]) -> str:
    """What all segments depend on."""
    versions = [(name, version(name)) for name in ("edgec", "onnxruntime", "numpy")]
    return hashlib.sha256(repr((versions, samples.digest(), list(needs))).encode()).hexdigest()


def next_key(before: str, segment: Segment) -> str:
    """The key of a segment behind one of that key."""
    source = in_memory(segment.model)
    digest = hashlib.sha256(before.encode())
    digest.update(source.graph)
    values = segment.model.graph.initializers
    for name, array in sorted(source.weights.items()):
        digest.update(f"{name}\0".encode())
        tensor = values[name].const_value
        if isinstance(tensor, FileTensor):  # read past, not mapped
            for piece in tensor.blocks():
                digest.update(piece)
        else:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def recall_segment(journal: Journal, key: str, needs: Sequence[Need]) -> KeptSegment | None:
    """A segment that was through before; None where it was not."""
    crossing = journal.folder / f"crossing-{key}"
    if not crossing.is_dir():
        return None
    observations = {}
    for number, need in enumerate(needs):
        found = journal.recall(f"observed-{key}-{number}")
        kind = _KINDS.get((crossing / f"{number}.kind").read_text(encoding="utf-8")) if found is not None else None
        if found is None or kind is None:
            return None
        observations[need] = _restored(kind, found)
    return KeptSegment(observations=observations, crossing=crossing)


def keep_segment(journal: Journal, key: str, seen: Mapping[Need, Observation], crossing: Path) -> KeptSegment:
    """Put a segment away; it counts once its crossing values are in place."""
    observations = {}
    for number, (need, observed) in enumerate(seen.items()):
        arrays = {each.name: np.asarray(getattr(observed, each.name)) for each in fields(observed)}
        observations[need] = _restored(type(observed), journal.remember(f"observed-{key}-{number}", arrays))
        (crossing / f"{number}.kind").write_text(type(observed).__name__, encoding="utf-8")
    into = journal.folder / f"crossing-{key}"
    shutil.rmtree(into, ignore_errors=True)
    part = journal.folder / f"{into.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.move(crossing, part)
    part.rename(into)
    return KeptSegment(observations=observations, crossing=into)


def _restored(kind: Any, arrays: Mapping[str, Away]) -> Observation:
    if kind is Gram:
        return _AwayGram(arrays["matrix"], int(arrays["rows"].read()))
    found: Observation = kind(**{name: each.read() for name, each in arrays.items()})
    return found
