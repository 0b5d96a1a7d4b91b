"""Begin a project: a commented `edgec.toml` made of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputError
from ..targets import ALIASES, find_target, target_names
from .drafting.draft import draft
from .inspect import inspect_model
from .project import Project
from .write_whole import write_whole

__all__ = ["Begun", "init_project"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """What was written.

    Attributes:
        file: The project file.
        guesses: What of it is guessed.
        missing: Files it names that are not there: what is to bring.
    """

    file: Path
    guesses: tuple[str, ...]
    missing: tuple[str, ...]

    def to_json(self) -> Mapping[str, object]:
        """The value as JSON values."""
        return {"file": str(self.file), "guesses": list(self.guesses), "missing": list(self.missing)}


def init_project(model: str | Path, output: str | Path = "edgec.toml", *, force: bool = False) -> Begun:
    """Write a project file for a model; guesses stand in it as comments.

    Args:
        model: An ONNX file.
        output: The file to write.
        force: Replace it where it exists.

    Raises:
        ModelError: The model cannot be read, or is invalid.
        OutputError: The file exists, or cannot be written.
    """
    file = Path(output).absolute()
    if file.exists() and not force:
        raise OutputError(str(output), "exists", remedy="Give --force to replace it, or another -o")
    targets = [find_target(name) for name in target_names() if name not in ALIASES]
    made = draft(inspect_model(str(model), find_target("host")), _path_from(file, Path(model)), targets)
    try:
        write_whole(file, made.text)
    except OSError as error:
        raise OutputError(str(output), f"cannot be written: {error.strerror}", remedy="Give another -o") from error
    Project.load(file)  # what is written here is read there
    missing = tuple(name for name in made.missing if not (file.parent / name).exists())
    return Begun(file=file, guesses=made.guesses, missing=missing)


def _path_from(file: Path, model: Path) -> str:
    """The model's path as a project file names it: relative, with slashes; absolute on another drive."""
    try:
        return Path(os.path.relpath(model.absolute(), file.parent)).as_posix()
    except ValueError:
        return model.absolute().as_posix()
