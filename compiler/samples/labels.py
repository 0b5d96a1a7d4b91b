"""`labels.csv`: ground truth of a folder's files, with the header `file,label`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import SamplesError
from .check import nearest

__all__ = ["LABELS_CSV", "read_labels"]

LABELS_CSV = "labels.csv"
_HEADER = ["file", "label"]


def read_labels(folder: Path, files: Sequence[str]) -> dict[str, np.ndarray]:
    """Labels by file: numbers where all are numbers, else text.

    Args:
        folder: `labels.csv` is read inside it, else beside it; one beside may name other folders' files too, writes
            `name` or `folder/name`, and counts only when it names one of `files`.
        files: Paths in the folder, with `/`.

    Returns:
        A label (rank 0; int64, float64 or text) for each of `files`; nothing when there is no `labels.csv`.

    Raises:
        SamplesError: The table is malformed, or leaves a file out.
    """
    inside, beside = folder / LABELS_CSV, folder.absolute().parent / LABELS_CSV
    if inside.is_file():
        table, file = _table(inside), inside
        for name in table:
            if name not in files:
                raise SamplesError(
                    f"{file}, {name!r}", f"is not in the folder{nearest(name, files)}", remedy="Remove or mend the line"
                )
    elif beside.is_file():
        prefix = folder.absolute().name + "/"
        table, file = {name.removeprefix(prefix): label for name, label in _table(beside).items()}, beside
        if not any(name in table for name in files):
            return {}
    else:
        return {}
    for name in files:
        if name not in table:
            raise SamplesError(str(file), f"has no label for {name!r}", remedy="Add a line for it")
    return dict(zip(files, _typed([table[name] for name in files]), strict=True))


def _table(file: Path) -> dict[str, str]:
    table: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream)
            header = [cell.strip() for cell in next(rows, [])]
            if header != _HEADER:
                raise SamplesError(
                    str(file), f"begins with {','.join(header)!r}", remedy="Begin it with the line `file,label`"
                )
            for row in rows:
                if not row:
                    continue
                where = f"{file}, line {rows.line_num}"
                if len(row) != 2:
                    raise SamplesError(where, f"has {len(row)} cells, not 2", remedy="Write `file,label`")
                name = row[0].strip().replace("\\", "/")
                if name in table:
                    raise SamplesError(where, f"{name!r} has a label already", remedy="Keep one line for each file")
                table[name] = row[1].strip()
    except (UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(str(file), f"is not UTF-8 CSV: {error}", remedy="Save it as CSV in UTF-8") from error
    return table


def _typed(labels: Sequence[str]) -> np.ndarray:
    for dtype in (np.int64, np.float64):
        try:
            return np.array([dtype(label) for label in labels])
        except (ValueError, OverflowError):
            continue
    return np.array(labels)
