r"""Depfiles: which files a bundle was made from, in the syntax of Make that Ninja, CMake and Make read.

Source of the syntax: the Ninja manual, "Depfile"; GNU Make manual, "Rule Syntax": a blank in a name is
written as `\ `, `#` as `\#`, `$` as `$$`; a backslash is doubled only where it stands before one of these.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..errors import OutputError
from .loading.source import open_source
from .request import CompileRequest
from .write_whole import write_whole

__all__ = ["sources_of", "write_depfile"]

_MARKED = re.compile(r"(\\*)([ #])")


def sources_of(request: CompileRequest, *beside: Path) -> tuple[Path, ...]:
    """The files a compile reads: model with external data, samples, recipe, target, and this package's version.

    A folder of samples counts with all that is in it, folders themselves included: one more file changes them.

    Args:
        request: The compile.
        *beside: Files that were read to make the request, such as the project file.

    Raises:
        ModelError: The model cannot be read.
    """
    found: list[Path] = [Path(__file__).parents[1] / "__init__.py", *beside]
    if request.torch is not None or isinstance(request.model, str | Path):
        found += open_source(request.source).files
    for data in (request.calibration, request.evaluation):
        if isinstance(data, str | Path):
            found += _files_of(str(data))
    for folder in (*request.adapters.values(), request.merge_adapter):
        if folder is not None:
            found += _files_of(str(folder))
    if request.recipe is not None:
        found.append(request.recipe)
    if isinstance(request.target, str | Path) and Path(request.target).is_file():
        found.append(Path(request.target))
    return tuple(dict.fromkeys(path.absolute() for path in found))


def write_depfile(file: Path, rules: Mapping[Path, Iterable[Path]]) -> None:
    """Write what each output depends on; the file is replaced in one step.

    Args:
        file: The depfile; the folder it is in is made.
        rules: Output as the build names it → its sources. Sources are marked as targets too, so that one that is
            removed makes a rebuild and not an error of the build (as `-MP` of compilers).

    Raises:
        OutputError: It cannot be written.
    """
    listed = {output: tuple(sources) for output, sources in rules.items()}
    every = dict.fromkeys(source for sources in listed.values() for source in sources)
    lines = [" \\\n  ".join([f"{_quoted(output)}:", *map(_quoted, sources)]) for output, sources in listed.items()]
    lines += [f"{_quoted(source)}:" for source in every if "%" not in str(source)]  # with it, a pattern of Make
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, "\n".join(lines) + "\n")
    except OSError as error:
        raise OutputError(
            f"--depfile {file}", f"cannot be written: {error.strerror}", remedy="Name another file"
        ) from error


def _files_of(data: str) -> Iterator[Path]:
    """A file, a folder with all in it, or the source of `module:function`."""
    path = Path(data)
    if path.is_dir():
        yield path
        yield from sorted(path.rglob("*"))
    elif path.exists():
        yield path
    elif code := _source_of(data.rpartition(":")[0]):
        yield code


def _source_of(module: str) -> Path | None:
    if module.endswith(".py"):
        return Path(module)
    try:
        spec = importlib.util.find_spec(module) if module else None
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def _quoted(path: Path) -> str:
    """A path as Make reads it."""
    text = str(path).replace("$", "$$")
    return _MARKED.sub(lambda match: match[1] * 2 + "\\" + match[2], text)
