"""Open what the user gave, a path or a model in memory, as a model without its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import EncodeError

from ...bundle import sha256_of
from ...errors import ModelError
from ..sources.built import Built
from ..sources.exported.folder import is_exported, read_exported
from ..sources.gguf.model import read_gguf_model
from ..sources.gguf.read import MAGIC
from ..sources.huggingface import is_checkpoint, part_of, read_checkpoint
from ..sources.torch.model import TorchModel, is_torch
from .detached import Weights
from .external import Files, adopt_external, folders_of
from .in_memory import digest_of, proto_of
from .read_file import parse, read_file

__all__ = ["Source", "is_onnx", "open_source"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A model as it was given, our own copy of its structure.

    Attributes:
        proto: The model, its large weights detached.
        weights: The detached data.
        origin: The path as given, or what kind of value was given.
        files: Real paths of the model file and its external data; empty for a model in memory.
        digest: Computes the sha256 of all of it, once.
        companions: Files that ship with it, bytes by name.
        notes: What the user should know of how it was built.
        stored: Its weights are in the form that the source stores them in.
        reference: The model that it is compared with as float, where that is another; None is itself.
    """

    proto: onnx.ModelProto
    weights: Weights
    origin: str
    files: tuple[Path, ...]
    digest: Callable[[], str]
    companions: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stored: bool = False
    reference: ir.Model | None = None


def open_source(source: str | Path | ir.Model | onnx.ModelProto | TorchModel, *, stored: bool = True) -> Source:
    """Open a model; weights are mapped or referred to, never copied.

    Args:
        source: The model.
        stored: Of GGUF, keep floats of 16 bits as they are stored.

    Raises:
        ModelError: It cannot be read.
    """
    if isinstance(source, ir.Model):
        return _open_ir(source)
    if isinstance(source, onnx.ModelProto):
        return _open_proto(source)
    if isinstance(source, TorchModel) or is_torch(source):
        return _open_torch(source if isinstance(source, TorchModel) else TorchModel(given=source))
    if isinstance(source, str | Path):
        return _open_path(source, stored)
    if hasattr(source, "to_learned"):  # of `edgec.qat.prepare`: what it was before training is float
        return replace(_open_ir(source.to_learned()), reference=source.source)
    raise ModelError(
        f"<{type(source).__name__}>",
        "is not a model",
        remedy="Give a path, an onnx_ir.Model or an onnx.ModelProto",
    )


def _open_path(given: str | Path, stored: bool) -> Source:
    origin = str(given)
    if "://" in origin:
        raise ModelError(origin, "is an address, not a file", remedy="Download the model and give its path")
    path, part = part_of(Path(given).expanduser().absolute())
    if is_checkpoint(path):
        return _open_built(read_checkpoint(path, origin.removesuffix(f"#{part}"), part), origin)
    if is_exported(path):
        return _open_built(read_exported(path, origin), origin)
    if _is_gguf(path):
        return _open_built(read_gguf_model(path, origin, stored=stored), origin)
    files, weights = Files(folders_of(path), origin), Weights()
    proto, digest = read_file(path, origin, weights)
    adopt_external(proto, weights, files, origin)
    return Source(
        proto=proto,
        weights=weights,
        origin=origin,
        files=(path.resolve(), *files.paths.values()),
        digest=cache(partial(_digest_of_files, digest, dict(files.paths))),
    )


def is_onnx(source: str | Path) -> bool:
    """Whether a path is read as an ONNX file: no checkpoint, no GGUF, from which a model is built."""
    path, _ = part_of(Path(source).expanduser().absolute())
    return not (is_torch(source) or is_checkpoint(path) or is_exported(path) or _is_gguf(path))


def _open_built(built: Built, origin: str) -> Source:
    """A model that was built from files."""
    weights = Weights()
    first, *others = built.files
    return Source(
        proto=proto_of(built.model, weights, origin),
        weights=weights,
        origin=origin,
        files=built.files,
        digest=cache(partial(_digest_of_built, first, others, built.part)),
        companions=built.companions,
        notes=built.notes,
        stored=built.stored,
    )


def _open_torch(model: TorchModel) -> Source:
    """A model that PyTorch defines; told by what it computes and ships, not by the code that defines it."""
    built, weights = model.export(), Weights()
    proto = proto_of(built.model, weights, model.origin)
    return Source(
        proto=proto,
        weights=weights,
        origin=model.origin,
        files=built.files,
        digest=cache(partial(_digest_with, proto.SerializeToString(deterministic=True), weights, built.companions)),
        companions=built.companions,
        notes=built.notes,
    )


def _digest_with(structure: bytes, weights: Weights, companions: Mapping[str, bytes]) -> str:
    """sha256 of a model, and of what ships with it."""
    whole = digest_of(structure, weights)
    if not companions:
        return whole
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(companions.items())]
    return hashlib.sha256("\n".join((f"{whole}  model", *lines)).encode()).hexdigest()


def _is_gguf(path: Path) -> bool:
    try:
        if not path.is_file():  # a pipe would wait for somebody to write
            return False
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:  # said where ONNX is read
        return False


def _open_proto(given: onnx.ModelProto) -> Source:
    origin = "<ModelProto>"
    try:
        whole = given.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise ModelError(
            origin,
            "is larger than the 2 GiB protobuf can serialize",
            remedy="Save it with external data and give the path",
        ) from error
    weights = Weights()
    proto = parse(memoryview(whole), origin, weights)
    adopt_external(proto, weights, Files((), origin), origin)
    return Source(
        proto=proto, weights=weights, origin=origin, files=(), digest=cache(lambda: hashlib.sha256(whole).hexdigest())
    )


def _open_ir(given: ir.Model) -> Source:
    origin, weights = "<onnx_ir.Model>", Weights()
    proto = proto_of(given, weights, origin)
    return Source(
        proto=proto,
        weights=weights,
        origin=origin,
        files=(),
        digest=cache(partial(digest_of, proto.SerializeToString(deterministic=True), weights)),
    )


def _digest_of_built(first: Path, others: Sequence[Path], part: str) -> str:
    """sha256 of what a model was built from; of one of several, its name counts."""
    whole = _digest_of_files(partial(sha256_of, first), {path.name: path for path in others})
    return hashlib.sha256(f"{whole}#{part}".encode()).hexdigest() if part else whole


def _digest_of_files(model: Callable[[], str], external: Mapping[str, Path]) -> str:
    """sha256 of the model file; with external data, of a list of all files with theirs (as `sha256sum` prints)."""
    if not external:
        return model()
    lines = [f"{model()}  model", *(f"{sha256_of(path)}  {location}" for location, path in sorted(external.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
