"""Where in the user's own code something went wrong."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

__all__ = ["line_of_error", "line_of_trace", "shown"]

# `  File "net.py", line 12, in forward`, as Python prints frames and torch keeps them on a node.
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_OURS = Path(__file__).parents[3]


def line_of_error(error: BaseException) -> str:
    """The line of the user's code that an exception came through last: `net.py:12, `y = x.item()``; "" where none is.

    Args:
        error: The exception; where no frame of it is the user's, those it was raised from are asked.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        found = _last((frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(link.__traceback__))
        if found:
            return found
        link = link.__cause__ or link.__context__
    return ""


def line_of_trace(trace: str) -> str:
    """The same of a stack trace in text, as `torch.fx` keeps one on every node."""
    return _last((match["file"], int(match["line"])) for match in _FRAME.finditer(trace))


def _last(frames: Iterable[tuple[str, int]]) -> str:
    """The last frame of the user's, as messages name it."""
    line = ""
    for file, number in frames:
        line = shown(file, number) or line
    return line


def shown(file: str, number: int) -> str:
    """A line of the user's code as messages name it; "" where the file is not the user's."""
    if not _is_users(file):
        return ""
    path = Path(file)
    name = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    code = linecache.getline(file, number).strip()
    return f"{name}:{number}" + (f", `{code}`" if code else "")


def _is_users(file: str) -> bool:
    """Whether a file is neither installed, nor of Python, nor of this package."""
    if file.startswith("<"):
        return False
    path = Path(file)
    folders = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), sysconfig.get_path("stdlib"))
    if any(path.is_relative_to(folder) for folder in folders):
        return False
    return not any(path.is_relative_to(_OURS / room) for room in ("compiler", "passes", "runtimes", "targets"))
