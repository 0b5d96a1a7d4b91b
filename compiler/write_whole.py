"""A text file that is there whole or not at all: another process reads the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(file: Path, text: str) -> None:
    """Write a text file in UTF-8, readable by all; one that is there is replaced in one step.

    Args:
        file: Where to; its folder exists.
        text: What.

    Raises:
        OSError: It cannot be written; what was there is as it was, and nothing lies beside it.
    """
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        partial.chmod(0o644)
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
