"""Open a GGUF file: metadata and tensors, mapped, nothing decoded yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import MissingExtraError, ModelError
from .kinds import FLOATS, KINDS

__all__ = ["GgufFile", "GgufTensor", "read_gguf"]

_AGAIN = "Copy or download the file again"
_INTERMEDIATE = ("Q8_1", "Q8_K")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GgufTensor:
    """A tensor as it is stored.

    Attributes:
        name: As GGUF calls it.
        kind: The type's name: one of `KINDS` or `FLOATS`.
        shape: Outputs first: (N, K) of a matrix.
        raw: uint8, (N, bytes of a row), mapped; (N, bytes of an element) of a vector.
        order: Which row stands where; None leaves them in their order.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    raw: np.ndarray
    order: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """The bytes of some rows, uint8, contiguous."""
        part = slice(start, stop)
        return np.ascontiguousarray(self.raw[part] if self.order is None else self.raw[self.order[part]])

    def floats(self) -> np.ndarray:
        """The numbers of a tensor of plain floats, in the type they are stored in."""
        flat: np.ndarray = self.rows(0, len(self.raw)).reshape(-1).view(FLOATS[self.kind])
        return flat.reshape(self.shape)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GgufFile:
    """What a file holds.

    Attributes:
        origin: How messages call it.
        metadata: Values by key.
        tensors: By name.
    """

    origin: str
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]


def read_gguf(path: Path, origin: str) -> GgufFile:
    """Open a file through the `gguf` package.

    Args:
        path: The file.
        origin: How messages call it.

    Raises:
        MissingExtraError: The package is not installed.
        ModelError: The file is no GGUF, is truncated or corrupt, one of several parts, written for machines of the
            other byte order, or holds a tensor of a type that is not read.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingExtraError(origin, "gguf", "gguf") from error
    try:
        reader = GGUFReader(path)
        swapped = reader.byte_order == "S"
        metadata = {name: field.contents() for name, field in reader.fields.items()} if not swapped else {}
    except OSError as error:
        raise ModelError(
            origin, f"cannot be read ({error.strerror or error})", remedy="Check the path and its permissions"
        ) from error
    except Exception as error:  # the reader indexes past what is there, and fails in numpy's words, not its own
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(origin, f"is truncated or no valid GGUF file: {lines[0]}", remedy=_AGAIN) from error
    if swapped:
        raise ModelError(
            origin, "is written for big-endian machines", remedy="Convert it with: gguf-convert-endian FILE little"
        )
    parts = metadata.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise ModelError(
            origin, f"is one of {parts} parts", remedy="Join them with: llama-gguf-split --merge FIRST_PART WHOLE"
        )
    if not reader.tensors:
        raise ModelError(origin, "holds no tensors: it is a vocabulary alone", remedy="Give the file with the weights")
    tensors = {tensor.name: _tensor(tensor, origin) for tensor in reader.tensors}
    return GgufFile(origin=origin, metadata=metadata, tensors=tensors)


def _tensor(found: Any, origin: str) -> GgufTensor:
    """One tensor, of a type that is read, all of its bytes there."""
    where, kind = f"{origin}, tensor {found.name!r}", found.tensor_type.name
    if kind not in KINDS and kind not in FLOATS:
        between = kind in _INTERMEDIATE
        raise ModelError(
            where,
            f"is of type {kind}, " + ("which llama.cpp only computes with" if between else "which edgec does not read"),
            remedy=f"Quantize the model to one of {', '.join([*KINDS, *FLOATS])}",
        )
    shape = tuple(reversed([int(dim) for dim in found.shape]))
    width = FLOATS[kind].itemsize if kind in FLOATS else KINDS[kind].nbytes / KINDS[kind].elements
    expected = math.prod(shape) * width
    data = found.data.view(np.uint8)
    if data.size != expected or not data.size:
        raise ModelError(
            where, f"has {data.size} bytes, {kind} {list(shape)} needs {expected:.0f}", remedy="Write the file again"
        )
    rows = math.prod(shape[:-1]) if len(shape) > 1 or kind not in FLOATS else shape[0]
    return GgufTensor(name=found.name, kind=kind, shape=shape, raw=np.asarray(data.reshape(rows, -1)))
