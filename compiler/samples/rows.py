"""Rows of an array stored in a `.npy` file or in a member of an `.npz`, read in order without loading the array.

The `.npy` format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. A member stored
without compression is read in place, rows between are skipped by seeking; a deflated one is decompressed as a
stream and what is not wanted is thrown away. Either way one read is in memory.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ...errors import SamplesError

__all__ = ["StoredArray", "arrays_of_npy", "arrays_of_npz"]

_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: lengths of its name and extra field end it
_SAVE_AGAIN = "Save the file again, for example with np.savez(path, **arrays)"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredArray:
    """One array on disk.

    Attributes:
        file: The `.npy` or `.npz`.
        name: The array's name in messages and for matching inputs.
        member: Zip member to decompress; None where `offset` counts from the start of the file.
        offset: Bytes before the first row.
        dtype, shape: From the `.npy` header.
    """

    file: Path
    name: str
    member: str | None
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    def read(self, spans: Iterable[tuple[int, int]]) -> Iterator[np.ndarray]:
        """Rows `[start, stop)` of axis 0 for each span, as arrays of their own.

        Args:
            spans: Ascending, without overlap. An array of rank 0 is one row.

        Raises:
            SamplesError: The file ends early or is corrupt.
        """
        row_shape = self.shape[1:]
        row_bytes = self.dtype.itemsize * math.prod(row_shape)
        position = 0
        try:
            with ExitStack() as stack:
                stream = self._stream(stack)
                for start, stop in spans:
                    block = np.empty((stop - start, *row_shape) if self.shape else (), self.dtype)
                    if start > position:
                        stream.seek((start - position) * row_bytes, 1)
                    position = start
                    self._fill(stream, block)
                    position = stop
                    yield block
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise SamplesError(
                f"{self.file.name}[{position}], array {self.name!r}", f"cannot be read: {error}", remedy=_SAVE_AGAIN
            ) from error

    def _stream(self, stack: ExitStack) -> IO[bytes]:
        """The bytes of the rows, closed by `stack`."""
        raw = stack.enter_context(self.file.open("rb"))
        if self.member is None:
            raw.seek(self.offset)
            return raw
        stream = stack.enter_context(stack.enter_context(zipfile.ZipFile(raw)).open(self.member))
        stream.read(self.offset)
        return stream

    def _fill(self, stream: IO[bytes], block: np.ndarray) -> None:
        view = block.reshape(-1).view(np.uint8).data
        while view:
            got = stream.readinto(view)  # type: ignore[attr-defined]  # BufferedReader and ZipExtFile both have it
            if not got:
                raise EOFError("the data end early")
            view = view[got:]


def arrays_of_npy(file: Path) -> list[StoredArray]:
    """The array of a `.npy` file, in a list of one; its name is the file's."""
    with file.open("rb") as raw:
        dtype, shape, offset = _header(raw, str(file))
        size = raw.seek(0, 2)
    _check_size(size, offset, dtype, shape, str(file))
    return [StoredArray(file=file, name=file.stem, member=None, offset=offset, dtype=dtype, shape=shape)]


def arrays_of_npz(file: Path) -> list[StoredArray]:
    """The arrays of an `.npz` in the order of the file.

    Raises:
        SamplesError: It is no zip of `.npy` members, or an array cannot be read row by row.
    """
    found = []
    try:
        with file.open("rb") as raw, zipfile.ZipFile(raw) as archive:
            for info in archive.infolist():
                where = f"{file}, array {info.filename.removesuffix('.npy')!r}"
                if not info.filename.endswith(".npy"):
                    raise SamplesError(where, "is not a .npy array", remedy=_SAVE_AGAIN)
                if info.flag_bits & 1:
                    raise SamplesError(where, "is encrypted", remedy=_SAVE_AGAIN)
                with archive.open(info) as stream:
                    dtype, shape, offset = _header(stream, where)
                _check_size(info.file_size, offset, dtype, shape, where)
                member: str | None = info.filename
                if info.compress_type == zipfile.ZIP_STORED:
                    member, offset = None, offset + _data_offset(raw, info)
                name = info.filename.removesuffix(".npy")
                found.append(StoredArray(file=file, name=name, member=member, offset=offset, dtype=dtype, shape=shape))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise SamplesError(str(file), f"is not an .npz file: {error}", remedy=_SAVE_AGAIN) from error
    return found


def _data_offset(raw: IO[bytes], info: zipfile.ZipInfo) -> int:
    raw.seek(info.header_offset)
    name, extra = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
    return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


def _header(stream: IO[bytes], where: str) -> tuple[np.dtype, tuple[int, ...], int]:
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except (ValueError, EOFError) as error:
        raise SamplesError(where, f"is not a .npy array: {str(error).splitlines()[0]}", remedy=_SAVE_AGAIN) from error
    if dtype.hasobject:
        raise SamplesError(
            where,
            "holds Python objects, which are pickled code and are not loaded",
            remedy="Save arrays of numbers; samples of different shapes go into a folder, one file each",
        )
    if fortran:
        raise SamplesError(
            where,
            "is stored in Fortran order, which cannot be read sample by sample",
            remedy="Save np.ascontiguousarray(array)",
        )
    return dtype, shape, stream.tell()


def _check_size(size: int, offset: int, dtype: np.dtype, shape: tuple[int, ...], where: str) -> None:
    need = offset + dtype.itemsize * math.prod(shape)
    if size < need:
        raise SamplesError(where, f"ends early: {size} bytes, its header says {need}", remedy=_SAVE_AGAIN)
