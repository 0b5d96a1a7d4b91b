"""A Parquet file with a column for each input and, if labelled, a column `label` or `labels`; a row is a sample.

A value is a number, a list, nested lists, or an encoded image (bytes, or a struct with `bytes`, as Hugging Face
datasets store them) that the input's preprocessing turns into an array. A flat list is reshaped to the input's shape.
Columns that feed nothing are not read, which is logged: tables often carry more than one model needs.
Row groups are streamed and those without a wanted row are skipped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingExtraError, SamplesError
from ...runtimes.base import TensorInfo
from .base import Sample, State
from .cells import cell_array, is_image, reshaped
from .check import needed, quoted
from .decode import image_value, need_pillow
from .images import ImagePreprocess, suggestion
from .layout import steps_of
from .names import label_name, matched

__all__ = ["PARQUET_SUFFIXES", "ParquetReader"]

PARQUET_SUFFIXES = (".parquet", ".pq")
_ROWS = 16  # decoded at a time: bounds memory, and is enough to hide the cost of a batch

logger = logging.getLogger(__name__)


class ParquetReader:
    """Reads samples from one Parquet file.

    Raises:
        MissingExtraError: pyarrow is not installed, or pillow where a column holds images.
        SamplesError: The file is corrupt, or its columns do not match the inputs.
    """

    def __init__(
        self, file: Path, inputs: Sequence[TensorInfo], state: State, preprocess: Mapping[str, ImagePreprocess]
    ) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtraError(str(file), "pyarrow", "parquet") from error
        self._pa, self._pq = pa, pq
        self._file = file
        self._inputs = needed(inputs, state)
        self._sequence = bool(state.carried)
        self._preprocess = preprocess
        with self._opened() as table:
            schema, metadata = table.schema_arrow, table.metadata
            self._groups = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
        if not sum(self._groups):
            raise SamplesError(str(file), "holds no samples", remedy="Give at least one row")
        self._columns, self._label = _choose(schema.names, inputs, state, str(file))
        images = [info for info in self._inputs if is_image(schema.field(self._columns[info.name]).type)]
        for info in images:
            if info.name not in preprocess:
                raise SamplesError(
                    str(file),
                    f"nothing says how an image becomes the input {info.name!r}",
                    remedy=suggestion(info),
                )
        self._open: Callable[..., Any] | None = need_pillow(str(file)) if images else None

    @property
    def origin(self) -> str:
        return self._file.as_posix()

    def count(self) -> int:
        return sum(self._groups)

    def read(self, wanted: Sequence[int] | None) -> Iterator[Sample]:
        columns = [*self._columns.values(), *([self._label] if self._label else [])]
        indices = range(self.count()) if wanted is None else wanted
        with self._opened() as table:
            position, rest = 0, iter(indices)
            index = next(rest, None)
            for group, rows in enumerate(self._groups):
                end = position + rows
                if index is None:
                    return
                if index >= end:
                    position = end
                    continue
                for batch in self._batches(table, group, columns):
                    while index is not None and index < position + batch.num_rows:
                        yield self._sample(batch, index - position, index)
                        index = next(rest, None)
                    position += batch.num_rows
                    if index is None or index >= end:
                        break
                position = end

    def _sample(self, batch: Any, row: int, index: int) -> Sample:
        where = f"{self._file.name}[{index}]"
        values = {
            info.name: self._value(batch.column(self._columns[info.name])[row], info, f"{where}, input {info.name!r}")
            for info in self._inputs
        }
        steps = steps_of(values, self._inputs, sequence=self._sequence, where=where)
        label = None
        if self._label is not None:
            label = cell_array(batch.column(self._label)[row], f"{where}, label")
        return Sample(id=where, steps=steps, label=label)

    def _value(self, scalar: Any, info: TensorInfo, where: str) -> np.ndarray:
        if is_image(scalar.type):
            raw = scalar.as_py()
            raw = raw["bytes"] if isinstance(raw, dict) else raw
            if raw is None:
                raise SamplesError(where, "is null", remedy="Remove the row")
            assert self._open is not None
            return image_value(self._open, raw, self._preprocess[info.name], where)
        array = cell_array(scalar, where)
        return reshaped(array, info, sequence=self._sequence) if array.ndim == 1 else array

    def _opened(self) -> Any:
        try:
            return self._pq.ParquetFile(self._file, buffer_size=1 << 20, pre_buffer=False)
        except self._pa.ArrowException as error:
            raise self._corrupt(error) from error

    def _batches(self, table: Any, group: int, columns: list[str]) -> Iterator[Any]:
        try:
            yield from table.iter_batches(batch_size=_ROWS, row_groups=[group], columns=columns, use_threads=False)
        except (self._pa.ArrowException, OSError) as error:
            raise self._corrupt(error) from error

    def _corrupt(self, error: Exception) -> SamplesError:
        return SamplesError(
            str(self._file), f"is not a Parquet file: {str(error).splitlines()[0]}", remedy="Save it again"
        )


def _choose(
    names: Sequence[str], inputs: Sequence[TensorInfo], state: State, where: str
) -> tuple[dict[str, str], str | None]:
    label = label_name(names, inputs, where)
    wanted = [info.name for info in needed(inputs, state)]
    if set(wanted) <= set(names):
        unused = [name for name in names if name not in wanted and name != label]
        if unused:
            logger.info("%s: columns not used: %s", where, quoted(unused))
        return {name: name for name in wanted}, label
    return matched(names, inputs, state, where)
