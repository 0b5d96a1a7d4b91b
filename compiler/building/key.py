"""What a bundle follows from, as one digest: same key, same bundle.

Files count by their bytes, wherever they lie; code of the user (a metric, samples made by a function) cannot be
told from what it imports, so that such a bundle is compiled every time.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import sha256_of
from ...runtimes import RUNTIMES, runtime
from ...runtimes.older import is_older
from ...targets import find_target
from ...targets.spec import TargetSpec
from ..contract import Contract
from ..loading.source import open_source
from ..metrics.builtin import METRICS
from ..proving.machine import Machine
from ..request import CompileRequest
from ..samples.base import DataSource

__all__ = ["Uncacheable", "bundle_key"]

_VERSIONS = ("edgec", "ml_dtypes", "numpy", "onnx", "onnx-ir", "onnxruntime", "scipy")
# What decides where a bundle goes and how long it takes, not what it is; and what is told by content.
_LEFT_OUT = frozenset(
    {
        "model",
        "weights",
        "dynamic",
        "torch",
        "target",
        "calibration",
        "evaluation",
        "metric",
        "recipe",
        "output",
        "overwrite",
        "threads",
        "max_memory",
    }
    | {"cache", "cache_dir", "progress", "proving", "observers", "adapters", "merge_adapter"}
)


class Uncacheable(Exception):  # noqa: N818 - no error: the bundle is compiled
    """Something it follows from cannot be compared; says what."""


def bundle_key(request: CompileRequest) -> str:
    """sha256, hex, over everything that decides a bundle and its proof.

    Args:
        request: The compile; model and samples are read.

    Raises:
        Uncacheable: The samples or the metric are code.
        EdgecError: The model cannot be read, or the target is unknown.
    """
    assert isinstance(request.model, str | Path)
    digest = hashlib.sha256()
    said = {
        "versions": [(name, _version(name)) for name in _VERSIONS],
        "own": _own_sources(),
        # Timings are of one machine, and so are the choices made by them.
        "machine": Machine.here(),
        "target": (target := find_target(request.target)),
        "places": _places(target, request.contract),
        "model": (Path(request.model).name, open_source(request.source).digest()),
        "calibration": _data(request.calibration),
        "evaluation": _data(request.evaluation),
        "metric": _metric(request),
        "recipe": _data(request.recipe),
        "adapters": {name: _data(folder) for name, folder in request.adapters.items()},
        "merge_adapter": _data(request.merge_adapter),
        **{
            field.name: getattr(request, field.name)
            for field in dataclasses.fields(request)
            if field.name not in _LEFT_OUT
        },
    }
    for piece in _pieces(said):
        digest.update(piece.encode() + b"\0")
    return digest.hexdigest()


def _places(target: TargetSpec, contract: Contract) -> list[str]:
    """Those that are here of the places a proof would use: where none was, a verdict says `checked`."""
    older = list(filter(is_older, RUNTIMES)) if contract.clause("oldest_onnxruntime") else []
    known = (name for name in (*target.proof, *older) if name in RUNTIMES)
    return [name for name in known if runtime(name).available() is None]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def _own_sources() -> str:
    """The digest of this package: versions do not tell one working copy from another."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for folder in ("", "compiler", "passes", "runtimes", "targets"):
        files = (root / folder).rglob("*") if folder else root.glob("*.py")
        for file in sorted(file for file in files if file.is_file() and file.suffix != ".pyc"):
            digest.update(f"{file.relative_to(root).as_posix()}\0{sha256_of(file)}\0".encode())
    return digest.hexdigest()


def _data(source: DataSource | None) -> object:
    """The files of some samples: name and digest each."""
    if source is None:
        return None
    path = Path(source) if isinstance(source, str | PathLike) else None
    if path is None or not path.exists():
        code = path is None or ":" in path.name  # `module:function`
        raise Uncacheable(f"the samples of {source} are {'made by code' if code else 'not there'}")
    if path.is_file():
        return path.name, _digest_of(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return path.name, [(file.relative_to(path).as_posix(), _digest_of(file)) for file in files]


def _digest_of(file: Path) -> str:
    found = file.stat()
    return _digest(file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4096)
def _digest(file: Path, changed: int, size: int) -> str:
    """Targets of one project share their samples, which are read once."""
    del changed, size
    return sha256_of(file)


def _metric(request: CompileRequest) -> tuple[str, str | None]:
    """What the user calls a metric, and the output that it looks at."""
    if request.metric is None:
        return "", None
    if request.metric.name.split(",")[0] not in METRICS:
        raise Uncacheable(f"metric {request.metric.name!r} is code")
    return request.metric.name, request.metric.output


def _pieces(value: Any) -> Iterable[str]:
    """A value as text, piece by piece, the same in every process."""
    match value:
        case np.ndarray():
            yield f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
        case Mapping():
            for key in sorted(value, key=str):
                yield f"{key}:"
                yield from _pieces(value[key])
        case list() | tuple():
            yield f"[{len(value)}"
            for each in value:
                yield from _pieces(each)
        case set() | frozenset():
            yield from _pieces(sorted(value, key=repr))
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield type(value).__name__
            for field in dataclasses.fields(value):
                yield f"{field.name}:"
                yield from _pieces(getattr(value, field.name))
        case _ if callable(value):
            yield f"{value.__module__}.{value.__qualname__}"
        case _:
            yield repr(value)
