"""A folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch", "staged", "sweep"]

_PREFIX, _SUFFIX = ".", ".part"


@contextmanager
def scratch(home: Path, name: str) -> Iterator[Path]:
    """A folder in `home` that is gone after the block, however that ends; a killed process's is gone at `sweep`."""
    home.mkdir(parents=True, exist_ok=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{name}.", suffix=_SUFFIX, dir=home))
        lock = _lock(folder)
        if folder.exists():  # else a sweep took it before we held it
            break
        _unlock(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(lock)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `target` when the block ends well and vanishes otherwise.

    Where another process was faster, its folder stays if the block found `target` missing.
    """
    before = target.exists()
    with scratch(target.parent, target.name) as work:
        folder = work / "made"
        folder.mkdir()
        yield folder
        if before and target.exists():
            target.rename(work / "old")
        if not target.exists():
            with contextlib.suppress(FileExistsError):
                folder.rename(target)


def sweep(home: Path) -> None:
    """Delete what installs left that were killed."""
    for folder in home.glob(f"{_PREFIX}*{_SUFFIX}"):
        lock = _lock(folder, wait=False)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)


def _lock(folder: Path, *, wait: bool = True) -> int | None:
    """Hold a folder for as long as this process lives; None where another holds it."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
