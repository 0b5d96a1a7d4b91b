"""Feeds and outputs of `edgec run` as `.npz` files: arrays by name, `name@0`, `name@1` where there are steps."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import OutputError, SamplesError

__all__ = ["check_output", "read_feeds", "write_outputs"]

_STEP = re.compile(r"(?P<name>.+)@(?P<step>\d+)")


def read_feeds(file: Path) -> list[dict[str, np.ndarray]]:
    """Feeds of each step; one step when no name says another.

    Raises:
        SamplesError: The file cannot be read, or steps are missing.
    """
    remedy = "Give an .npz with one array per input"
    try:
        if file.is_file() and not zipfile.is_zipfile(file):
            raise SamplesError(str(file), "is not an .npz file", remedy=remedy)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise SamplesError(str(file), f"cannot be read: {error.strerror or error}", remedy=remedy) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SamplesError(str(file), f"is not an .npz of plain arrays: {error}", remedy=remedy) from error
    if not arrays:
        raise SamplesError(str(file), "holds no arrays", remedy=remedy)
    found: dict[int, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        match = _STEP.fullmatch(key)
        found.setdefault(int(match["step"]) if match else 0, {})[match["name"] if match else key] = array
    if sorted(found) != list(range(len(found))):
        raise SamplesError(
            str(file),
            f"has the steps {sorted(found)}",
            remedy="Number the steps from 0 without gaps: `name@0`, `name@1`",
        )
    return [found[step] for step in sorted(found)]


def check_output(file: Path, *, overwrite: bool) -> None:
    """Raise before anything runs when the outputs could not be written.

    Raises:
        OutputError: The file exists, is a folder, or has no folder to lie in.
    """
    if file.is_dir():
        raise OutputError(str(file), "is a folder", remedy="Name a file, say -o outputs.npz")
    if file.exists() and not overwrite:
        raise OutputError(str(file), "exists", remedy="Give --overwrite to replace it, or another -o")
    if not file.absolute().parent.is_dir():
        raise OutputError(str(file), "its folder does not exist", remedy="Make the folder first")


def write_outputs(file: Path, steps: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Write outputs of each step, whole or not at all.

    Raises:
        OutputError: They cannot be written.
    """
    partial = file.with_name(f".{file.name}.partial")
    single = len(steps) == 1
    arrays = {name if single else f"{name}@{k}": array for k, step in enumerate(steps) for name, array in step.items()}
    try:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        partial.replace(file)
    except OSError as error:
        raise OutputError(
            str(file), f"cannot be written: {error.strerror}", remedy="Free some space, or give another -o"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
