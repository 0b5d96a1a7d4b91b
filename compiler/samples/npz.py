"""An `.npz` of arrays by input name, or a `.npy` for the one input: the first axis is the sample.

Axes beyond it are read as `layout.py` says. Where the model's batch is fixed to B > 1 and the arrays have no batch
axis of their own, B consecutive rows are one sample, with their labels; rows left over are not used, which is logged.
Labels are under `label` or `labels`, first axis the sample too. An array of rank 0 feeds every sample.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Sample, State
from .check import needed
from .layout import rows_per_sample, steps_of
from .names import matched
from .rows import StoredArray, arrays_of_npy, arrays_of_npz

__all__ = ["NpzReader"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    """An array and how many of its rows are one sample; 0 for an array of rank 0, which feeds them all."""

    array: StoredArray
    rows: int

    @property
    def samples(self) -> int:
        return self.array.shape[0] // self.rows

    def read(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        """One sample's value after another."""
        if not self.rows:
            yield from repeat(next(self.array.read([(0, 1)])))
        for block in self.array.read((index * self.rows, (index + 1) * self.rows) for index in wanted):
            yield block if self.rows > 1 else np.asarray(block[0])


class NpzReader:
    """Reads samples from one `.npz` or `.npy`.

    Raises:
        SamplesError: The file is corrupt, or its arrays do not match the inputs or one another.
    """

    def __init__(self, file: Path, inputs: Sequence[TensorInfo], state: State) -> None:
        self._file = file
        self._inputs = needed(inputs, state)
        self._sequence = bool(state.carried)
        arrays = {array.name: array for array in (arrays_of_npz if file.suffix == ".npz" else arrays_of_npy)(file)}
        names, label = matched(tuple(arrays), inputs, state, str(file))
        self._columns = {info.name: self._column(arrays[names[info.name]], info) for info in self._inputs}
        self._count = self._agreed()
        self._label = None if label is None else self._labels(arrays[label])

    @property
    def origin(self) -> str:
        return self._file.as_posix()

    def count(self) -> int:
        return self._count

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        indices = range(self._count) if wanted is None else wanted
        streams = {name: column.read(indices) for name, column in self._columns.items()}
        labels = repeat(None) if self._label is None else self._label.read(indices)
        for index, label in zip(indices, labels, strict=False):
            where = f"{self._file.name}[{index}]"
            values = {name: next(stream) for name, stream in streams.items()}
            steps = steps_of(values, self._inputs, sequence=self._sequence, where=where)
            yield Sample(id=where, steps=steps, label=label)

    def _column(self, array: StoredArray, info: TensorInfo) -> _Column:
        where = f"{self._file}, input {info.name!r}"
        if not array.shape and not info.shape:
            return _Column(array=array, rows=0)
        rows = rows_per_sample(info, len(array.shape), sequence=self._sequence, where=where)
        left = array.shape[0] % rows
        if left:
            logger.warning(
                "%s: the last %d of %d rows make no batch of %d: not used", where, left, array.shape[0], rows
            )
        return _Column(array=array, rows=rows)

    def _agreed(self) -> int:
        counts = {name: column.samples for name, column in self._columns.items() if column.rows}
        if not counts:
            raise SamplesError(
                str(self._file), "has no array with a sample axis", remedy="Save arrays whose first axis is the sample"
            )
        first, count = next(iter(counts.items()))
        for name, other in counts.items():
            if other != count:
                raise SamplesError(
                    f"{self._file}, input {name!r}",
                    f"has {other} samples, input {first!r} has {count}",
                    remedy="Save the same number of samples for every input",
                )
        if not count:
            raise SamplesError(str(self._file), "holds no samples", remedy="Give at least one sample")
        return count

    def _labels(self, array: StoredArray) -> _Column:
        rows = max(column.rows for column in self._columns.values())
        have = array.shape[0] if array.shape else 0
        if have == self._count:
            return _Column(array=array, rows=1)
        if rows > 1 and have // rows == self._count:
            return _Column(array=array, rows=rows)
        raise SamplesError(
            f"{self._file}, {array.name!r}",
            f"has {have} labels for {self._count} samples",
            remedy="Save one label per sample",
        )
