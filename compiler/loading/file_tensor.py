"""Tensors whose bytes stay in a file: mapped or read when asked for as an array, streamed when written."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx_ir as ir

__all__ = ["FileTensor", "MappedFile", "array_of"]

_BLOCK = 1 << 20
# Larger tensors are read into memory of their own each time, which is given back when the array dies: the pages of
# a mapped file stay resident until something else wants them.
_READ_ABOVE = 16 << 20


class MappedFile:
    """A file, mapped into memory at most once, by the first tensor that is read.

    `onnx_ir.ExternalTensor` maps the file once per tensor and keeps a descriptor for each, which runs out
    of descriptors (256 on macOS) long before a language model runs out of weights.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._view: memoryview | None = None

    def view(self, offset: int, nbytes: int) -> memoryview:
        """Read-only bytes of the file, not copied."""
        if self._view is None:
            with self.path.open("rb") as stream:
                self._view = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        return self._view[offset : offset + nbytes]

    def blocks(self, offset: int, nbytes: int) -> Iterator[memoryview]:
        """The same bytes read into one small buffer, again and again: nothing becomes resident."""
        buffer = memoryview(bytearray(min(_BLOCK, max(nbytes, 1))))
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(offset)
            while nbytes > 0:
                count = self._fill(stream, buffer[:nbytes], nbytes)
                yield buffer[:count]
                nbytes -= count

    def read(self, offset: int, nbytes: int) -> memoryview:
        """The same bytes, copied into memory of their own."""
        data = np.empty(nbytes, np.uint8).data
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(offset)
            at = 0
            while at < nbytes:
                at += self._fill(stream, data[at:], nbytes - at)
        return data

    def _fill(self, stream: FileIO, buffer: memoryview, missing: int) -> int:
        count = stream.readinto(buffer)
        if not count:
            raise OSError(f"{self.path} ended {missing} bytes early: it was truncated while in use")
        return count


class FileTensor(ir.LazyTensor):
    """A tensor in a file.

    Unlike `onnx_ir.ExternalTensor` it is serialized by value, so a model that holds it can be handed to
    a runtime, or written elsewhere, without the file; `onnx_ir.save(external_data=...)` streams it.

    Args:
        file: The file.
        offset: Byte of the file where the tensor starts.
        dtype, shape: Its type and shape; sub-byte elements are packed as ONNX packs them.
        name: Its name.
    """

    __slots__ = ("file", "offset")

    def __init__(self, file: MappedFile, offset: int, dtype: ir.DataType, shape: ir.Shape, name: str) -> None:
        super().__init__(self._loaded, dtype, shape, name=name)
        self.file = file
        self.offset = offset

    def blocks(self) -> Iterator[memoryview]:
        """The bytes in pieces of 1 MiB; a piece is valid until the next one is asked for."""
        return self.file.blocks(self.offset, self.nbytes)

    def tofile(self, file: BinaryIO) -> None:
        """Write the bytes to `file` without holding them."""
        for block in self.blocks():
            file.write(block)

    def mapped(self, file: MappedFile) -> np.ndarray:
        """The elements as they lie in `file`, another map of this tensor's file; resident where they are looked at."""
        return array_of(file.view(self.offset, self.nbytes), self.dtype, self.shape, self.name).numpy()

    def _loaded(self) -> ir.TensorProtocol:
        take = self.file.view if self.nbytes < _READ_ABOVE else self.file.read
        return array_of(take(self.offset, self.nbytes), self.dtype, self.shape, self.name)

    def __repr__(self) -> str:
        return f"{self._repr_base()}(path={str(self.file.path)!r}, offset={self.offset}, name={self.name!r})"


def array_of(data: memoryview, dtype: ir.DataType, shape: ir.Shape, name: str | None = None) -> ir.TensorProtocol:
    """A tensor over bytes in ONNX's layout (little endian, sub-byte elements packed), not copied."""
    dims = shape.numpy()
    if dtype.bitwidth < 8:
        packed = np.frombuffer(data, dtype=np.uint8)
        return ir.PackedTensor(packed, dtype, shape=shape, name=name)
    array = np.frombuffer(data, dtype=dtype.numpy().newbyteorder("<"), count=math.prod(dims)).reshape(dims)
    return ir.Tensor(array, dtype=dtype, shape=shape, name=name)
