"""Where a bundle is written: a temporary folder beside the output, renamed when all is done.

Whatever happens before the rename, the output is untouched: absent, or as it was. What a killed process leaves beside
it, the next compile to the same place removes.
"""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..bundle import MANIFEST
from ..errors import OutputError
from .leftovers import hold, sweep

__all__ = ["check_destination", "scratch", "writing"]


def scratch() -> Path:
    """A place for a bundle nobody named; it lives as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="edgec-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "bundle"


def check_destination(output: Path, *, overwrite: bool, marker: str = MANIFEST) -> None:
    """Raise before any work is done when the output could not be written at the end; tidy up behind a killed process.

    Args:
        output: The folder.
        overwrite: Whether what is there may be replaced.
        marker: The file that shows that it is ours.

    Raises:
        OutputError: It exists and may not be replaced, is no bundle, or its parent cannot be written.
    """
    sweep(output.absolute())
    if output.exists():
        if not overwrite:
            raise OutputError(str(output), "exists", remedy="Give --overwrite to replace it, or another -o")
        if not output.is_dir() or (any(output.iterdir()) and not (output / marker).is_file()):
            raise OutputError(
                str(output),
                "exists and is not a bundle",
                affects="--overwrite replaces bundles only, so that nothing else is lost",
                remedy="Remove it yourself, or give another -o",
            )
    parent = output.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise OutputError(str(output), f"cannot be created: {parent} is not a folder", remedy="Give another -o")
    if not os.access(parent, os.W_OK):
        raise OutputError(str(output), f"cannot be created: {parent} is not writable", remedy="Give another -o")


@contextmanager
def writing(output: Path) -> Iterator[Path]:
    """A temporary folder that becomes `output` when the block ends without an error; gone otherwise.

    Raises:
        OutputError: The disk is full or writing is forbidden.
    """
    output = output.absolute()
    sweep(output)
    with ExitStack() as held:
        with _translated_os_errors(output):
            folder = _partial(output, held)
        try:
            with _translated_os_errors(output):
                folder.chmod(0o755)
                yield folder
                _replace(folder, output)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _partial(output: Path, held: ExitStack) -> Path:
    """A new folder beside the output, which is held until the stack is left."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        while True:  # another compile may sweep it away before it is held
            folder = _beside(output, ".partial")
            if held.enter_context(hold(folder)):
                return folder
    except (FileNotFoundError, NotADirectoryError) as error:  # /proc and its like take no folders
        raise OutputError(
            str(output), f"cannot be created: {output.parent} takes no folders", remedy="Give another -o"
        ) from error


def _replace(new: Path, output: Path) -> None:
    """Rename `new` to `output`; an old one is set aside first and put back if the rename fails."""
    if not output.exists():
        new.rename(output)
        return
    old = _beside(output, ".old")
    old.rmdir()
    with hold(output):
        output.rename(old)
        try:
            new.rename(output)
        except BaseException:
            old.rename(output)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _beside(output: Path, suffix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=suffix, dir=output.parent))


@contextmanager
def _translated_os_errors(output: Path) -> Iterator[None]:
    """Turn a full disk or forbidden writing into an OutputError that names the output."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: ("the disk is full", "Free some space, or give -o on another disk"),
            errno.EDQUOT: ("the disk quota is used up", "Free some space, or give -o on another disk"),
            errno.EFBIG: ("the file size limit is reached", "Raise the limit, or give -o elsewhere"),
            errno.EACCES: ("writing is forbidden", "Correct the permissions, or give another -o"),
            errno.EPERM: ("writing is forbidden", "Correct the permissions, or give another -o"),
            errno.EROFS: ("the file system is read-only", "Give -o on another disk"),
        }
        if error.errno not in remedies:
            raise
        problem, remedy = remedies[error.errno]
        raise OutputError(
            str(output), f"cannot be written: {problem}", affects="Nothing was written", remedy=remedy
        ) from error
