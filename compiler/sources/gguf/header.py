"""Read a GGUF header: every length lies inside the file, every tensor's bytes are there.

The package's own reader follows whatever lengths a file states, past its end and, in arrays of numbers, for as long as
it says; and it takes 10 s for the tokens of Llama 3 (gguf 0.19), this 0.4 s. Layout: ggml/docs/gguf.md, versions 2, 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....errors import ModelError

__all__ = ["Header", "Place", "read_header"]

_AGAIN = "Copy or download the file again"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
# The other types of metadata, by their numbers, in the letters of `struct`.
_LETTERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_DEEPEST, _MOST_DIMS, _ALIGNMENT = 4, 4, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a tensor lies.

    Attributes:
        name: Of the tensor.
        kind: Of its type.
        shape: Rows first, as numpy has it.
        start, nbytes: In the file.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    nbytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        metadata: Values by key; arrays are lists.
        tensors: In the order of the file.
    """

    metadata: Mapping[str, Any]
    tensors: Sequence[Place]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Info:
    """Where a tensor says that it lies."""

    name: str
    dims: tuple[int, ...]
    type: int
    offset: int


class _CorruptError(Exception):
    """What the header states cannot be: a length beyond the file, or a type that there is not."""


def read_header(data: memoryview, layouts: Mapping[int, tuple[str, int, int]], origin: str) -> Header:
    """Read what a file says of itself.

    Args:
        data: All of its bytes, mapped.
        layouts: Name, elements and bytes of a block, by the number of a tensor's type.
        origin: How messages call it.

    Raises:
        ModelError: It is of another version or byte order, truncated or corrupt, or holds a tensor of no known type.
    """
    head = bytes(data[:8])
    if len(head) < 8 or head[:4] != b"GGUF":
        raise ModelError(origin, "is no GGUF file", remedy=_AGAIN)
    (version,) = struct.unpack("<I", head[4:])
    if version not in _VERSIONS:
        if int.from_bytes(head[4:], "big") in _VERSIONS:
            raise ModelError(
                origin, "is written for big-endian machines", remedy="Convert it with: gguf-convert-endian FILE little"
            )
        raise ModelError(
            origin, f"is GGUF of version {version}; read are 2 and 3", remedy="Convert the model to GGUF again"
        )
    walk = _Walk(data)
    try:
        metadata, infos = walk.all()
    except _CorruptError as error:
        raise ModelError(origin, f"is truncated or corrupt: {error}", remedy=_AGAIN) from error
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise ModelError(
            origin,
            f"is truncated or corrupt: general.alignment is {alignment!r}, no power of two",
            remedy=_AGAIN,
        )
    start = walk.at + -walk.at % alignment
    places = []
    for info in infos:
        where = f"{origin}, tensor {info.name!r}"
        if info.type not in layouts:
            raise ModelError(where, f"is of type {info.type}, which is not known", remedy="Update the package gguf")
        name, elements, nbytes = layouts[info.type]
        count = math.prod(info.dims)
        if not info.dims or not count or info.dims[0] % elements:
            raise ModelError(
                where,
                f"is {name} {list(reversed(info.dims))}, whose rows are no whole blocks of {elements}",
                remedy="Write the file again",
            )
        begin, length = start + info.offset, count // elements * nbytes
        if begin + length > len(data):
            raise ModelError(
                where, f"lies in bytes {begin} to {begin + length}, the file has {len(data)}", remedy=_AGAIN
            )
        shape = tuple(reversed(info.dims))
        places.append(Place(name=info.name, kind=name, shape=shape, start=begin, nbytes=length))
    return Header(metadata=metadata, tensors=places)


class _Walk:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 8

    def all(self) -> tuple[dict[str, Any], list[_Info]]:
        """Metadata and tensors; `at` is where the header ends."""
        tensors, values = self._numbers("<2Q")
        metadata: dict[str, Any] = {}
        for _ in range(values):
            key = self._text()
            if key in metadata:
                raise _CorruptError(f"key {key!r} is there twice")
            (kind,) = self._numbers("<I")
            metadata[key] = self._value(kind, f"key {key!r}", 0)
        infos: dict[str, _Info] = {}
        for _ in range(tensors):
            info = self._info()
            if info.name in infos:
                raise _CorruptError(f"tensor {info.name!r} is there twice")
            infos[info.name] = info
        return metadata, list(infos.values())

    def _info(self) -> _Info:
        name = self._text()
        (count,) = self._numbers("<I")
        if count > _MOST_DIMS:
            raise _CorruptError(f"tensor {name!r} has {count} dimensions")
        dims = self._numbers(f"<{count}Q")
        kind, offset = self._numbers("<IQ")
        return _Info(name=name, dims=dims, type=kind, offset=offset)

    def _value(self, kind: int, where: str, depth: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind in _LETTERS:
            return self._numbers(f"<{_LETTERS[kind]}")[0]
        if kind != _ARRAY or depth == _DEEPEST:
            raise _CorruptError(f"{where} has a value of the unknown type {kind}")
        element, count = self._numbers("<IQ")
        if element not in _LETTERS:
            return [self._value(element, where, depth + 1) for _ in range(count)]
        letter = _LETTERS[element]
        start = self._take(count * struct.calcsize(letter))
        return list(struct.unpack_from(f"<{count}{letter}", self._data, start))

    def _text(self) -> str:
        (length,) = self._numbers("<Q")
        start = self._take(length)
        try:
            return str(self._data[start : self.at], "utf-8")
        except UnicodeDecodeError as error:
            raise _CorruptError(f"bytes {start} to {self.at} are no text") from error

    def _numbers(self, layout: str) -> tuple[Any, ...]:
        start = self._take(struct.calcsize(layout))
        return struct.unpack_from(layout, self._data, start)

    def _take(self, length: int) -> int:
        """Go past so many bytes; where they start."""
        start, self.at = self.at, self.at + length
        if self.at > len(self._data):
            raise _CorruptError(f"its header goes on to byte {self.at}, the file has {len(self._data)}")
        return start
