"""Open a GGUF file: metadata and tensors, mapped, nothing decoded yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import MissingExtraError, ModelError
from .header import Place, read_header
from .kinds import FLOATS, KINDS

__all__ = ["MAGIC", "GgufFile", "GgufTensor", "read_gguf"]

MAGIC = b"GGUF"
_BETWEEN = ("Q8_1", "Q8_K")


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
    """Open a file.

    Args:
        path: The file.
        origin: How messages call it.

    Raises:
        MissingExtraError: The package is not installed.
        ModelError: The file is no GGUF, is truncated or corrupt, one of several parts, written for machines of the
            other byte order, or holds a tensor of a type that is not read.
    """
    try:
        from gguf import GGML_QUANT_SIZES
    except ImportError as error:
        raise MissingExtraError(origin, "gguf", "gguf") from error
    layouts = {int(kind): (kind.name, *sizes) for kind, sizes in GGML_QUANT_SIZES.items()}
    data = np.memmap(path, np.uint8, "r")
    header = read_header(data.data, layouts, origin)
    parts = header.metadata.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise ModelError(
            origin, f"is one of {parts} parts", remedy="Join them with: llama-gguf-split --merge FIRST_PART WHOLE"
        )
    if not header.tensors:
        raise ModelError(origin, "holds no tensors: it is a vocabulary alone", remedy="Give the file with the weights")
    tensors = {place.name: _tensor(place, data, origin) for place in header.tensors}
    return GgufFile(origin=origin, metadata=header.metadata, tensors=tensors)


def _tensor(found: Place, data: np.ndarray, origin: str) -> GgufTensor:
    """One tensor, of a type that is read."""
    kind, shape = found.kind, found.shape
    if kind not in KINDS and kind not in FLOATS:
        why = "which llama.cpp only computes with" if kind in _BETWEEN else "which is not read"
        raise ModelError(
            f"{origin}, tensor {found.name!r}",
            f"is of type {kind}, {why}",
            remedy=f"Quantize the model to one of {', '.join([*KINDS, *FLOATS])}",
        )
    rows = shape[0] if len(shape) == 1 and kind in FLOATS else math.prod(shape[:-1])
    raw = np.asarray(data[found.start : found.start + found.nbytes]).reshape(rows, -1)
    return GgufTensor(name=found.name, kind=kind, shape=shape, raw=raw)
