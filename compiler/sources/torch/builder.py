"""`package.module:build`: the user's own code makes the module, perhaps with an example of what it takes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import ModelError, SamplesError
from ...samples.python import find_object
from .explain import first_line
from .frames import line_of_error

if TYPE_CHECKING:
    import torch

__all__ = ["NAMED", "build_module", "parted", "source_files"]

# `package.module:function` or `file.py:function`; a Windows drive has a backslash after its colon and does not match.
NAMED = re.compile(r"[^:/\\]+:[A-Za-z_][\w.]*|.+\.py:[A-Za-z_][\w.]*")
_GIVE = "Return a torch.nn.Module, or (module, example inputs)"


def build_module(name: str) -> tuple[torch.nn.Module, Any]:
    """Import and call what a name says.

    Args:
        name: `package.module:function`, found from the working folder too; a module itself is taken as it is.

    Returns:
        The module, and the example inputs that came with it; None where none did.

    Raises:
        ModelError: It cannot be found, raises or ends the process, or gives no module.
    """
    with _at_home():
        return _built(name)


@contextmanager
def _at_home() -> Iterator[None]:
    """What the user's code prints goes to stderr, since stdout is the answer; the working folder is put back."""
    here = Path.cwd()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(here)


def _built(name: str) -> tuple[torch.nn.Module, Any]:
    try:
        found = find_object(name)
    except SamplesError as error:
        cause = error.__cause__
        line = "" if cause is None else line_of_error(cause)
        at = f" at {line}" if line and "raised" in error.problem else ""
        raise ModelError(
            name,
            f"{error.problem}{at}",
            remedy="Run where the module is, or give `path/to/file.py:build`, which returns a torch.nn.Module",
        ) from error
    except SystemExit as error:
        raise _ended(name, error) from error
    import torch

    if isinstance(found, torch.nn.Module):
        return parted(found, name)
    if not callable(found):
        raise ModelError(name, f"is a {type(found).__name__}, not a function", remedy=_GIVE)
    try:
        given = found()
    except SystemExit as error:
        raise _ended(name, error) from error
    except Exception as error:  # the user's own code may raise anything
        line = line_of_error(error)
        at = f" at {line}" if line else ""
        raise ModelError(
            name,
            f"raised {type(error).__name__}{at}: {first_line(error)}",
            remedy="Mend the code that builds the model",
        ) from error
    return parted(given, name)


def parted(given: object, origin: str) -> tuple[torch.nn.Module, Any]:
    """A module, or a pair of one and its example inputs; of `torch.compile`, the module that was compiled.

    Raises:
        ModelError: It is neither, or TorchScript, which has no code to capture.
    """
    import torch

    module, example = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    if not isinstance(module, torch.nn.Module):
        raise ModelError(origin, f"gave {_kind(given)}, not a torch.nn.Module", remedy=_GIVE)
    inner = getattr(module, "_orig_mod", None)
    module = inner if isinstance(inner, torch.nn.Module) else module
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(
            origin,
            "is TorchScript, which torch.export does not take",
            remedy="Give the module that it was scripted or traced from",
        )
    return module, example


def _ended(name: str, error: SystemExit) -> ModelError:
    line = line_of_error(error)
    at = f" at {line}" if line else ""
    return ModelError(
        name,
        f"ended the process{at}",
        remedy="Keep what a script does under `if __name__ == '__main__':`, and let the function return the module",
    )


def source_files(name: str, module: torch.nn.Module) -> tuple[Path, ...]:
    """The files of code that a module was built from: the one that is named, and those of its classes that are near."""
    place = name.rpartition(":")[0]
    named = Path(place) if place.endswith(".py") else _file_of(place)
    if named is None:
        return ()
    room = named.resolve().parent
    files = {named.resolve()}
    for part in module.modules():
        file = _file_of(type(part).__module__)
        if file is not None and file.resolve().is_relative_to(room):
            files.add(file.resolve())
    return (named.resolve(), *sorted(files - {named.resolve()}))


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _kind(given: object) -> str:
    if isinstance(given, Mapping):
        return "a dict (a state dict?)"
    if isinstance(given, tuple):
        return f"a tuple of {len(given)}"
    return "None" if given is None else f"a {type(given).__name__}"
