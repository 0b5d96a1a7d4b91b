"""The door of samples: finds the reader for what the user gave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeGuard

from ...errors import SamplesError
from ...runtimes.base import TensorInfo
from .base import DataSource, Samples, State
from .check import nearest, quoted
from .decoders import IDS, MASK, TokenReader, is_decoder
from .folder import ARRAY_SUFFIXES, FolderReader, visible_files
from .image_folder import IMAGE_SUFFIXES, ImageReader
from .images import ImagePreprocess
from .npz import NpzReader
from .parquet import PARQUET_SUFFIXES, ParquetReader
from .python import PythonReader, find_object
from .rows import arrays_of_npz
from .sequence import check_state
from .subset import limited
from .text import TEXT_SUFFIXES, TextReader
from .view import Reader, SamplesReader, View

__all__ = ["open_samples"]

# `module:function` or `file.py:function`; a Windows drive has a backslash after its colon and does not match.
_OBJECT = re.compile(r"[^:]+:[A-Za-z_][\w.]*|.+\.py:[A-Za-z_][\w.]*")
_FORMS = "Give an .npz, a folder of .npy, .npz or image files, a .parquet, or `module:function`"


def open_samples(
    data: DataSource,
    inputs: Sequence[TensorInfo],
    *,
    role: Literal["calibration", "evaluation"],
    preprocess: Mapping[str, ImagePreprocess] | None = None,
    state: State = State(),
    limit: int | None = None,
    seed: int = 0,
    companions: Mapping[str, bytes] = MappingProxyType({}),
) -> Samples:
    """Open samples for a model. Nothing but headers is read until they are iterated.

    Args:
        data: A path (`.npz`, `.npy`, `.parquet`, a folder of arrays or of images), `module:function`, a callable,
            an iterable of feeds, or `Samples`.
        inputs: Every input of the model. Each sample is checked against them when it is read.
        role: What they are for; messages say it.
        preprocess: How image files become an input, by input name.
        state: Outputs fed back as inputs; the data leave those inputs out, and samples are sequences.
        limit: Use this many, drawn with `seed` and kept in order; all, and a warning, where there are fewer.
        seed: Seeds the draw.
        companions: What ships with the model: the tokenizer of a decoder, for samples of text.

    Returns:
        Samples that can be read again and again, one in memory at a time.

    Raises:
        SamplesError: The data cannot be found, read, or fed to the model.
        MissingExtraError: The format needs a package that is not installed.
    """
    preprocess = {} if preprocess is None else preprocess
    names = [info.name for info in inputs]
    for name in preprocess:
        if name not in names:
            raise SamplesError(
                f"inputs.{name}",
                f"is not an input of the model{nearest(name, names)}",
                remedy=f"The model's inputs are {quoted(names)}",
            )
    if _is_samples(data):
        state = state if state.carried else data.state
    check_state(inputs, state)
    if isinstance(data, View) and data.inputs == tuple(inputs) and data.state is state:
        return limited(data, limit, seed)
    try:
        reader = _tokens(data, inputs, state, companions) or _reader(data, inputs, role, preprocess, state)
    except OSError as error:
        raise SamplesError(str(data), f"cannot be read: {error}", affects=_for(role), remedy=_FORMS) from error
    return limited(View(reader, inputs, state), limit, seed)


def _tokens(
    data: DataSource, inputs: Sequence[TensorInfo], state: State, companions: Mapping[str, bytes]
) -> Reader | None:
    """Rows of tokens for a decoder; None where the model is none, or the data give all of its inputs."""
    if not is_decoder(inputs) or not isinstance(data, str | PathLike) or not Path(data).is_file():
        return None
    path = Path(data)
    if path.suffix.lower() in TEXT_SUFFIXES:
        return TokenReader(TextReader(path, companions), inputs, state)
    stored = path.suffix.lower() in ARRAY_SUFFIXES
    if not stored or (path.suffix.lower() == ".npz" and any(array.name == MASK for array in arrays_of_npz(path))):
        return None
    ids = [info for info in inputs if info.name == IDS]
    return TokenReader(NpzReader(path, ids, State()), inputs, state)


def _reader(
    data: DataSource,
    inputs: Sequence[TensorInfo],
    role: str,
    preprocess: Mapping[str, ImagePreprocess],
    state: State,
) -> Reader:
    if _is_samples(data):
        return SamplesReader(data)
    if not isinstance(data, str | PathLike):
        return PythonReader(data, inputs)
    path = Path(data)
    if not path.exists():
        if isinstance(data, str) and _OBJECT.fullmatch(data):
            return PythonReader(find_object(data), inputs, data)
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SamplesError(
            str(data), f"does not exist{nearest(path.name, siblings)}", affects=_for(role), remedy=_FORMS
        )
    if path.is_dir():
        return _folder(path, inputs, role, preprocess, state)
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return NpzReader(path, inputs, state)
    if suffix in PARQUET_SUFFIXES:
        return ParquetReader(path, inputs, state, preprocess)
    raise SamplesError(
        str(data),
        f"{suffix or 'a file without a suffix'} is not a format of samples",
        affects=_for(role),
        remedy=_FORMS,
    )


def _folder(
    folder: Path, inputs: Sequence[TensorInfo], role: str, preprocess: Mapping[str, ImagePreprocess], state: State
) -> Reader:
    files = visible_files(folder)
    if not files:
        raise SamplesError(str(folder), "holds no samples", affects=_for(role), remedy=_FORMS)
    kinds = {file: _kind(file) for file in files}
    first, kind = next(((file, kind) for file, kind in kinds.items() if kind), (files[0], ""))
    for file, other in kinds.items():
        if other != kind or not kind:
            problem = "is neither an array nor an image" if not other else f"is of another kind than {first!r}"
            raise SamplesError(
                f"{folder.as_posix()}/{file}", problem, affects=_for(role), remedy="Remove it, or give another folder"
            )
    if kind == "images":
        return ImageReader(folder, files, inputs, state, preprocess)
    return FolderReader(folder, files, inputs, state)


def _kind(file: str) -> str:
    suffix = Path(file).suffix.lower()
    return "arrays" if suffix in ARRAY_SUFFIXES else "images" if suffix in IMAGE_SUFFIXES else ""


def _is_samples(data: DataSource) -> TypeGuard[Samples]:
    return all(hasattr(data, name) for name in ("origin", "state", "digest", "__len__", "__iter__"))


def _for(role: str) -> str:
    return f"It was given as {role} samples"
