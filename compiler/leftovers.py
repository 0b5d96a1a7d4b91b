"""What compiles that were killed left beside an output, and the lock by which those that still run are told from them.

A compile writes `.NAME.RANDOM.partial` beside `NAME` and sets what it replaces aside as `.NAME.RANDOM.old`. It holds a
lock on either folder; the operating system takes a lock away from a process that ends, however it ends, and keeps it
for one that runs in another container, or on another machine where the file system does.

Windows has no locks on folders: what is older than a day is taken for left there. Where a file system has none (some
network ones), nothing is.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["hold", "sweep"]

_STALE_SECONDS = 24 * 3600.0


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[bool]:
    """Lock a folder while the block runs; it may be renamed meanwhile.

    Args:
        folder: An existing one. When another process holds it, this one waits.

    Yields:
        Whether the folder is still there: who held it may have moved or removed it.
    """
    try:
        lock = _locked(folder, wait=True)
    except OSError:  # it is gone, or its file system knows no locks: then nobody takes it for left
        lock = None
    try:
        yield folder.is_dir() if lock is None else _is(folder, lock)
    finally:
        if lock is not None:
            os.close(lock)


def sweep(output: Path) -> None:
    """Remove what is left beside an output; put back what was set aside for a bundle that never came.

    Args:
        output: Where a bundle is to be written; absolute.
    """
    named = re.compile(rf"\.{re.escape(output.name)}\.[a-z0-9_]{{8}}\.(partial|old)")  # as tempfile names them
    with contextlib.suppress(OSError):
        for left in [each for each in output.parent.iterdir() if named.fullmatch(each.name)]:
            _sweep(left, output)


def _sweep(left: Path, output: Path) -> None:
    try:
        lock = _locked(left, wait=False)
    except OSError:  # held, gone, another user's, or on a file system that knows no locks
        return
    try:
        if not (_is_old(left) if lock is None else _is(left, lock)):
            return
        if left.suffix == ".old" and not output.exists():
            left.rename(output)
        else:
            shutil.rmtree(left, ignore_errors=True)
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock of a folder; None where folders have none.

    Raises:
        OSError: It cannot be had; BlockingIOError while another holds it.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(lock)
        raise
    return lock


def _is(folder: Path, lock: int) -> bool:
    """Whether the folder of that name is the one that is held."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def _is_old(folder: Path) -> bool:
    return folder.is_dir() and time.time() - folder.stat().st_mtime > _STALE_SECONDS
