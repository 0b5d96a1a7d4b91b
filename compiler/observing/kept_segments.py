"""What was observed of a segment and what crosses out of it, in the journal of a compile: found again by the next.

A segment is known by the segments before it, its own graph and weights, and the samples: rounding layer after layer
runs those before the layer once. An observation of large arrays is read again each time one is asked for: all Gram
matrices of a model never lie in memory together.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
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

__all__ = ["KeptSegment"]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSegment:
    """A segment as the journal knows it.

    Attributes:
        journal: Where.
        key: sha256, hex, of all it depends on.
    """

    journal: Journal
    key: str

    @classmethod
    def first(cls, journal: Journal, samples: Samples) -> KeptSegment:
        """What comes before the first segment."""
        versions = [(name, version(name)) for name in ("edgec", "onnxruntime", "numpy")]
        digest = hashlib.sha256(repr((versions, samples.digest())).encode())
        return cls(journal=journal, key=digest.hexdigest())

    def behind(self, segment: Segment) -> KeptSegment:
        """The segment behind this one."""
        source = in_memory(segment.model)
        digest = hashlib.sha256(self.key.encode())
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
        return KeptSegment(journal=self.journal, key=digest.hexdigest())

    def recall(self, needs: Iterable[Need]) -> dict[Need, Observation]:
        """What was observed of the segment before, of what is needed."""
        found = {}
        for need in needs:
            for kind in _KINDS.values():
                arrays = self.journal.recall(self._entry(need, kind))
                if arrays is not None:
                    found[need] = _restored(kind, arrays)
        return found

    def remember(self, seen: Mapping[Need, Observation]) -> dict[Need, Observation]:
        """Put away what was observed; the same, out of memory."""
        found = {}
        for need, observed in seen.items():
            kind = type(observed)
            arrays = {each.name: np.asarray(getattr(observed, each.name)) for each in fields(observed)}
            found[need] = _restored(kind, self.journal.remember(self._entry(need, kind), arrays))
        return found

    @property
    def crossing(self) -> Path | None:
        """The folder of what later segments read; None where the segment was not run to its end."""
        return self._crossing if self._crossing.is_dir() else None

    def cross(self, folder: Path) -> Path:
        """Put away what later segments read, whole or not at all; where it is then."""
        part = self._crossing.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.move(folder, part)
        part.rename(self._crossing)
        return self._crossing

    @property
    def _crossing(self) -> Path:
        return self.journal.folder / f"crossing-{self.key}"

    def _entry(self, need: Need, kind: type[Any]) -> str:
        return f"observed-{hashlib.sha256(f'{self.key} {need} {kind.__name__}'.encode()).hexdigest()}"


def _restored(kind: type[Any], arrays: Mapping[str, Away]) -> Observation:
    if kind is Gram:
        return _AwayGram(arrays["matrix"], int(arrays["rows"].read()))
    found: Observation = kind(**{name: each.read() for name, each in arrays.items()})
    return found
