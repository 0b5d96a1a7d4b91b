"""Walk a GGUF header before the package reads it: every length lies inside the file, every tensor's bytes are there.

The package follows whatever lengths a file states, past its end and, in arrays of numbers, for as long as it says.
Layout: ggml/docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ....errors import ModelError

__all__ = ["check_header"]

_AGAIN = "Copy or download the file again"
_VERSIONS = (2, 3)
_STRING, _ARRAY, _UINT32 = 8, 9, 4
# Bytes of the other types of metadata, by their numbers.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_DEEPEST, _MOST_DIMS, _ALIGNMENT = 4, 4, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class _Info:
    """Where a tensor says that it lies."""

    name: str
    dims: tuple[int, ...]
    type: int
    offset: int


class _CorruptError(Exception):
    """What the header states cannot be: a length beyond the file, or a type that there is not."""


def check_header(data: memoryview, layouts: Mapping[int, tuple[str, int, int]], origin: str) -> None:
    """Refuse a file that is not a whole GGUF file.

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
        infos = walk.all()
    except _CorruptError as error:
        raise ModelError(origin, f"is truncated or corrupt: {error}", remedy=_AGAIN) from error
    start = walk.at + -walk.at % walk.alignment
    for info in infos:
        where = f"{origin}, tensor {info.name!r}"
        if info.type not in layouts:
            raise ModelError(where, f"is of type {info.type}, which is not known", remedy="Update the package gguf")
        name, elements, nbytes = layouts[info.type]
        count = math.prod(info.dims)
        if not info.dims or not count or info.dims[0] % elements:
            shape = list(reversed(info.dims))
            raise ModelError(
                where, f"is {name} {shape}, whose rows are no whole blocks of {elements}", remedy="Write the file again"
            )
        end = start + info.offset + count // elements * nbytes
        if end > len(data):
            raise ModelError(
                where, f"lies in bytes {start + info.offset} to {end}, the file has {len(data)}", remedy=_AGAIN
            )


class _Walk:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 8
        self.alignment = _ALIGNMENT

    def all(self) -> list[_Info]:
        """The tensors; `at` is where the header ends."""
        tensors, values = self._numbers("<2Q")
        for _ in range(values):
            key = self._text()
            (kind,) = self._numbers("<I")
            if key == "general.alignment" and kind == _UINT32:
                (self.alignment,) = self._numbers("<I")
                if self.alignment == 0 or self.alignment & (self.alignment - 1):
                    raise _CorruptError(f"general.alignment is {self.alignment}, no power of two")
                continue
            self._value(kind, f"key {key!r}", 0)
        return [self._info() for _ in range(tensors)]

    def _info(self) -> _Info:
        name = self._text()
        (count,) = self._numbers("<I")
        if count > _MOST_DIMS:
            raise _CorruptError(f"tensor {name!r} has {count} dimensions")
        dims = self._numbers(f"<{count}Q")
        kind, offset = self._numbers("<IQ")
        return _Info(name=name, dims=dims, type=kind, offset=offset)

    def _value(self, kind: int, where: str, depth: int) -> None:
        if kind == _STRING:
            (length,) = self._numbers("<Q")
            self._take(length)
        elif kind == _ARRAY and depth < _DEEPEST:
            element, count = self._numbers("<IQ")
            if element in _SIZES:
                self._take(count * _SIZES[element])
                return
            for _ in range(count):
                self._value(element, where, depth + 1)
        elif kind in _SIZES:
            self._take(_SIZES[kind])
        else:
            raise _CorruptError(f"{where} has a value of the unknown type {kind}")

    def _text(self) -> str:
        (length,) = self._numbers("<Q")
        start = self._take(length)
        return bytes(self._data[start : self.at]).decode(errors="replace")

    def _numbers(self, layout: str) -> tuple[int, ...]:
        start = self._take(struct.calcsize(layout))
        return struct.unpack_from(layout, self._data, start)

    def _take(self, length: int) -> int:
        """Go past so many bytes; where they start."""
        start, self.at = self.at, self.at + length
        if self.at > len(self._data):
            raise _CorruptError(f"its header goes on to byte {self.at}, the file has {len(self._data)}")
        return start
