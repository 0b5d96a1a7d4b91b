"""Begin a project: a commented `edgec.toml` made of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputError
from ..targets import ALIASES, find_target, target_names
from .drafting.draft import draft
from .drafting.wishes import path_from, wishes_of
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


def init_project(
    model: str | Path,
    output: str | Path = "edgec.toml",
    *,
    samples: str | Path | None = None,
    targets: Sequence[str] = (),
    force: bool = False,
) -> Begun:
    """Write a project file for a model; guesses stand in it as comments, but for those that samples or targets need.

    Args:
        model: An ONNX file.
        output: The file to write.
        samples: What is observed, and proves; None leaves them to bring.
        targets: What a build is for; none means `host`.
        force: Replace the file where it exists.

    Raises:
        ModelError: The model cannot be read, or is invalid.
        SamplesError: The samples do not exist.
        TargetError: There is no such target.
        OutputError: The file exists, or cannot be written.
    """
    file = Path(output).absolute()
    if file.exists() and not force:
        raise OutputError(str(output), "exists", remedy="Give --force to replace it, or another -o")
    wishes = wishes_of(file, samples, targets)
    others = [find_target(name) for name in target_names() if name not in ALIASES]
    made = draft(inspect_model(str(model), find_target("host")), path_from(file, Path(model)), wishes, others)
    try:
        write_whole(file, made.text)
    except OSError as error:
        raise OutputError(str(output), f"cannot be written: {error.strerror}", remedy="Give another -o") from error
    Project.load(file)  # what is written here is read there
    missing = tuple(name for name in made.missing if not (file.parent / name).exists())
    return Begun(file=file, guesses=made.guesses, missing=missing)
