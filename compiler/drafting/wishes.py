"""What was said of a project beside its model, as its file is to hold it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import SamplesError
from ...targets import find_target
from ...targets.spec import TargetSpec
from ..samples.check import nearest
from ..samples.folder import visible_files
from ..samples.image_folder import IMAGE_SUFFIXES
from ..samples.labels import LABELS_CSV
from ..samples.names import LABELS
from ..samples.parquet import PARQUET_SUFFIXES

__all__ = ["Wishes", "path_from", "wishes_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """Samples and targets.

    Attributes:
        samples: The path of the samples as the file names it; None leaves them to bring.
        images: They are image files.
        labelled: They have labels, as far as that can be told without reading them.
        targets: What a build is for, by the name of its table; at least one.
        paths: Those of `targets` that are files of the user's own, as the project names them.
    """

    samples: str | None = None
    images: bool = False
    labelled: bool = True
    targets: dict[str, TargetSpec]
    paths: dict[str, str]

    @property
    def fixed(self) -> bool:
        """Whether a target wants every size of every input fixed."""
        return any(spec.static_shapes for spec in self.targets.values())

    @property
    def halves(self) -> bool:
        """Whether a target stores weights in 16 bits by itself."""
        return any(spec.native in ("fp16", "bf16") for spec in self.targets.values())


def wishes_of(file: Path, samples: str | Path | None, targets: Sequence[str]) -> Wishes:
    """What a user said, checked.

    Args:
        file: The project file that will hold it, absolute.
        samples: A file or folder of samples.
        targets: Names, or TOML files of the user's own; none means `host`.

    Raises:
        SamplesError: The samples do not exist.
        TargetError: There is no such target.
    """
    found: dict[str, TargetSpec] = {}
    paths: dict[str, str] = {}
    for name in targets or ("host",):
        spec = find_target(name)
        own = name.endswith(".toml")
        found[spec.name if own else name] = spec
        if own:
            paths[spec.name] = path_from(file, Path(name))
    if samples is None:
        return Wishes(targets=found, paths=paths)
    data = Path(samples)
    if not data.exists():
        siblings = [each.name for each in data.parent.iterdir()] if data.parent.is_dir() else []
        raise SamplesError(
            str(samples),
            f"does not exist{nearest(data.name, siblings)}",
            remedy="Name an .npz, a .parquet, or a folder of .npy, .npz or image files",
        )
    files = visible_files(data) if data.is_dir() else []
    images = any(Path(each).suffix.lower() in IMAGE_SUFFIXES for each in files[:1])
    return Wishes(
        samples=path_from(file, data),
        images=images,
        labelled=_is_labelled(data, files),
        targets=found,
        paths=paths,
    )


def _is_labelled(data: Path, files: Sequence[str]) -> bool:
    """Whether samples come with labels: a `labels.csv` in their folder or beside it, or an array of an .npz."""
    if data.is_dir():
        if any((folder / LABELS_CSV).is_file() for folder in (data, data.absolute().parent)):
            return True
        data = data / files[0] if files else data
    if data.suffix.lower() == ".npz" and zipfile.is_zipfile(data):
        with zipfile.ZipFile(data) as archive:
            return any(f"{name}.npy" in archive.namelist() for name in LABELS)
    return data.suffix.lower() in PARQUET_SUFFIXES  # a column may hold them


def path_from(file: Path, other: Path) -> str:
    """A path as a project file names it: relative, with slashes; absolute on another drive."""
    try:
        return Path(os.path.relpath(other.absolute(), file.parent)).as_posix()
    except ValueError:
        return other.absolute().as_posix()
