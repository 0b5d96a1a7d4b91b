"""A folder of `.npz` and `.npy` files, one sample each, in the order of their names.

An `.npz` holds arrays by input name and may hold a `label`; a `.npy` feeds the only input. The arrays have no sample
axis; their other axes are read as `layout.py` says. Labels may also stand in `labels.csv`, inside or beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import Sample, State
from .check import needed
from .labels import LABELS_CSV, read_labels
from .layout import steps_of
from .names import matched
from .rows import StoredArray, arrays_of_npy, arrays_of_npz

__all__ = ["ARRAY_SUFFIXES", "FolderReader", "visible_files"]

ARRAY_SUFFIXES = (".npy", ".npz")


class FolderReader:
    """Reads samples from a folder of arrays.

    Args:
        folder: The folder.
        files: Its sample files, paths in the folder, in order.
    """

    def __init__(self, folder: Path, files: Sequence[str], inputs: Sequence[TensorInfo], state: State) -> None:
        self._folder = folder
        self._files = tuple(files)
        self._inputs = tuple(inputs)
        self._state = state
        self._labels = read_labels(folder, files)

    @property
    def origin(self) -> str:
        return self._folder.as_posix()

    def count(self) -> int:
        return len(self._files)

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        for index in range(len(self._files)) if wanted is None else wanted:
            yield self._sample(self._files[index])

    def _sample(self, name: str) -> Sample:
        file, where = self._folder / name, f"{self._folder.name}/{name}"
        arrays = {array.name: array for array in (arrays_of_npz if name.endswith(".npz") else arrays_of_npy)(file)}
        say = name.endswith(".npz") and name == self._files[0]
        names, label = matched(tuple(arrays), self._inputs, self._state, where, say=say)
        if label is not None and name in self._labels:
            raise SamplesError(where, f"has a label in the file and in {LABELS_CSV}", remedy="Keep one of them")
        wanted = needed(self._inputs, self._state)
        values = {info.name: _whole(arrays[names[info.name]]) for info in wanted}
        steps = steps_of(values, wanted, sequence=bool(self._state.carried), where=where)
        return Sample(id=where, steps=steps, label=self._labels.get(name) if label is None else _whole(arrays[label]))


def visible_files(folder: Path) -> list[str]:
    """Paths of all files under a folder but the hidden ones, with `/`, sorted; `labels.csv` at its top left out."""
    found = []
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(".") for part in parts) and parts != (LABELS_CSV,):
            found.append("/".join(parts))
    return sorted(found)


def _whole(array: StoredArray) -> np.ndarray:
    return next(array.read([(0, array.shape[0] if array.shape else 1)]))
