"""What a module is called on: rows of the samples by the names of forward's arguments, or what came with the module."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ....errors import ModelError, SamplesError
from ...samples.base import DataSource, Sample, Samples
from ...samples.check import nearest, quoted
from ...samples.folder import ARRAY_SUFFIXES, visible_files
from ...samples.names import LABELS
from ...samples.python import PythonReader, find_object
from ...samples.rows import StoredArray, arrays_of_npy, arrays_of_npz
from .builder import NAMED

if TYPE_CHECKING:
    import torch

__all__ = ["bound", "cases_of", "named_cases"]

# How many samples the export is compared on.
_COMPARED = 8
_RETURN = "let the function that builds the model return (module, example inputs)"


def cases_of(data: DataSource) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The first samples as they are stored, a batch of one each: their names in messages, and arrays by name.

    Raises:
        SamplesError: They cannot be read, or are of a kind that only a known model can read.
    """
    yield from islice(_read(data), _COMPARED)


def named_cases(
    module: torch.nn.Module, cases: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> Iterator[dict[str, torch.Tensor]]:
    """Samples as arguments of forward.

    Raises:
        SamplesError: They do not give what forward needs, or give something else.
        ModelError: The arguments of forward have no names.
    """
    accepted, required = _arguments(module)
    if not accepted:
        raise _nameless(f"<{type(module).__name__}>", inspect.signature(module.forward))
    for where, arrays in cases:
        found = {name: array for name, array in arrays.items() if name not in LABELS or name in accepted}
        if len(found) == 1 and len(required) <= 1 and not (found.keys() & set(accepted)):
            found = {(required or accepted)[0]: next(iter(found.values()))}
        for name in found:
            if name not in accepted:
                raise SamplesError(
                    where,
                    f"{name!r} is not an argument of forward{nearest(name, accepted)}",
                    remedy=f"The data must give {quoted(required or accepted)}; or {_RETURN}",
                )
        for name in required:
            if name not in found:
                raise SamplesError(
                    where,
                    f"argument {name!r} of forward is missing; there is {quoted(list(found)) or 'nothing'}",
                    remedy=f"The data must give {quoted(required)}; or {_RETURN}",
                )
        yield {name: _tensor(found[name], f"{where}, argument {name!r}") for name in accepted if name in found}


def bound(module: torch.nn.Module, given: Any, origin: str) -> dict[str, Any]:
    """Example inputs that came with a module, by the names of forward's arguments.

    Args:
        module: The module.
        given: A tensor, a tuple of arguments, or a dict of them; arrays are taken for tensors.
        origin: How messages call the model.

    Raises:
        ModelError: They do not fit forward.
    """
    import torch
    from torch.utils import _pytree

    args: Sequence[Any] = given if isinstance(given, tuple | list) else () if isinstance(given, Mapping) else (given,)
    kwargs = dict(given) if isinstance(given, Mapping) else {}
    signature = inspect.signature(module.forward)
    try:
        arguments = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise ModelError(
            origin,
            f"its example inputs do not fit forward{signature}: {error}",
            remedy="Return (module, (first, second)) or (module, {'name': tensor})",
        ) from error
    nameless = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(signature.parameters[name].kind in nameless for name in arguments):
        raise _nameless(origin, signature)

    def converted(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return _tensor(leaf, origin)
        return _plain(leaf) if isinstance(leaf, torch.Tensor) else leaf

    return {name: _pytree.tree_map(converted, value) for name, value in arguments.items()}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as the module is exported: on the CPU, in float32, without a gradient."""
    tensor = tensor.detach().cpu()
    return tensor.float() if tensor.is_floating_point() else tensor


def _nameless(origin: str, signature: inspect.Signature) -> ModelError:
    return ModelError(
        origin,
        f"its forward{signature} does not name what it takes",
        remedy="Name the arguments of forward: inputs of the model are called after them",
    )


def _arguments(module: torch.nn.Module) -> tuple[list[str], list[str]]:
    """What forward takes by name, and what of it has no default."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = [each for each in inspect.signature(module.forward).parameters.values() if each.kind in kinds]
    return [each.name for each in named], [each.name for each in named if each.default is each.empty]


def _tensor(array: np.ndarray, where: str) -> torch.Tensor:
    import torch

    if array.dtype.kind == "u" and array.dtype != np.uint8:
        array = array.astype(np.int64)
    elif array.dtype.kind == "f":
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise SamplesError(where, f"is {array.dtype}, which torch has no tensors of", remedy="Give numbers")
    return torch.from_numpy(np.array(array))


def _read(data: DataSource) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    if isinstance(data, str | PathLike):
        path = Path(data)
        if not path.exists() and NAMED.fullmatch(str(data)):
            yield from _of_python(find_object(str(data)), str(data))
        elif path.is_dir():
            yield from _of_folder(path)
        elif path.suffix.lower() in ARRAY_SUFFIXES and path.is_file():
            yield from _of_file(path)
        else:
            raise _unreadable(str(data), path.exists())
    elif hasattr(data, "digest"):
        samples = cast(Samples, data)
        yield from _of_samples(iter(samples), samples.origin)
    else:
        yield from _of_python(data, "")


def _of_file(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    arrays = (arrays_of_npz if path.suffix.lower() == ".npz" else arrays_of_npy)(path)
    count = min((array.shape[0] for array in arrays if array.shape), default=0)
    for row in range(count):
        yield f"{path.name}[{row}]", {array.name: _row(array, row) for array in arrays}


def _row(array: StoredArray, row: int) -> np.ndarray:
    return next(array.read([(row, row + 1)] if array.shape else [(0, 1)]))


def _of_folder(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    names = [name for name in visible_files(folder) if name.lower().endswith(ARRAY_SUFFIXES)]
    if not names:
        raise _unreadable(str(folder), exists=True)
    for name in names:
        arrays = (arrays_of_npz if name.lower().endswith(".npz") else arrays_of_npy)(folder / name)
        rows = {array.name: next(array.read([(0, array.shape[0] if array.shape else 1)])) for array in arrays}
        yield f"{folder.name}/{name}", {key: value[None] for key, value in rows.items()}


def _of_python(source: object, origin: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    reader = PythonReader(source, (), origin)
    yield from _of_samples(reader.read(None), reader.origin)


def _of_samples(samples: Iterator[Sample], origin: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for number, sample in enumerate(samples):
        yield sample.id or f"{origin}[{number}]", {name: np.asarray(value) for name, value in sample.steps[0].items()}


def _unreadable(origin: str, exists: bool) -> SamplesError:
    if not exists:
        return SamplesError(origin, "does not exist", remedy="Check the path")
    return SamplesError(
        origin,
        "does not tell what the module takes: images, tables and text are read for inputs that are known",
        remedy=f"Give an .npz of arrays by the names of forward's arguments; or {_RETURN}",
    )
