"""Arrays of a compile that is too large for memory, on disk by their digest; what is finished is found again.

A model above `LARGE` bytes, or above half of `--max-memory`, is compiled so: its passes put away what they make, layer
by layer, and a compile that was killed goes on behind the last layer it finished. The folder is one of the source's
own, in the user's cache; it is removed when the compile is through, and is nobody else's meanwhile.

    data/SHA256      bytes as ONNX lays them out
    KEY.json         name → type, shape and digest; written last, whole or not at all
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import onnx_ir as ir

from .loading.file_tensor import FileTensor, MappedFile, array_of
from .materialize import weight_bytes

if TYPE_CHECKING:
    from .load import Loaded
    from .request import CompileRequest

__all__ = ["LARGE", "Away", "Journal", "journal_for"]

_log = logging.getLogger(__name__)

LARGE = 1 << 30
# What a killed compile left behind goes after so long.
_STALE_SECONDS = 14 * 24 * 3600.0
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Away:
    """An array in a file of its own."""

    file: Path
    dtype: ir.DataType
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """The array, in memory of its own: it goes when nobody holds it."""
        data = np.fromfile(self.file, np.uint8)
        found: np.ndarray = array_of(data.data, self.dtype, ir.Shape(self.shape)).numpy()
        return found

    def tensor(self, name: str) -> ir.TensorProtocol:
        """The same as a tensor that is streamed when it is written."""
        if 0 in self.shape:  # no system maps an empty file
            return ir.Tensor(self.read(), dtype=self.dtype, name=name)
        return FileTensor(MappedFile(self.file), 0, self.dtype, ir.Shape(self.shape), name)


@dataclass(frozen=True, slots=True)
class Journal:
    """Arrays in a folder."""

    folder: Path

    def put(self, array: np.ndarray, dtype: ir.DataType | None = None) -> Away:
        """Write an array, unless a file with its bytes is there."""
        tensor = ir.Tensor(array, dtype=dtype)
        data = tensor.tobytes()
        digest = hashlib.sha256(data).hexdigest()
        file = self.folder / "data" / digest
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            _write(file, data)
        return Away(file=file, dtype=tensor.dtype, shape=tuple(array.shape))

    def remember(self, key: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Away]:
        """Write arrays, and then that they are the key's."""
        found = {name: self.put(array) for name, array in arrays.items()}
        said = {
            name: {"dtype": each.dtype.name, "shape": list(each.shape), "sha256": each.file.name}
            for name, each in found.items()
        }
        _write(self.folder / f"{key}.json", json.dumps(said, sort_keys=True).encode())
        return found

    def recall(self, key: str) -> dict[str, Away] | None:
        """The arrays of a key, each compared with its digest; None where it has none that are whole."""
        try:
            said = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            found = {
                name: Away(
                    file=self.folder / "data" / each["sha256"],
                    dtype=ir.DataType[each["dtype"]],
                    shape=tuple(each["shape"]),
                )
                for name, each in said.items()
            }
            whole = all(_digest(each.file) == each.file.name for each in found.values())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.info("%s of %s is not whole: %s", key, self.folder, error)
            return None
        return found if whole else None


@contextmanager
def journal_for(loaded: Loaded, request: CompileRequest) -> Iterator[Journal | None]:
    """A journal for a compile that is too large to be held in memory; None for any other.

    Where the folder cannot be had (`--no-cache`, another compile of the same model holds it) arrays go to a temporary
    one, and nothing is found again.
    """
    from ..runtimes.cache import cache_folder

    size = weight_bytes(loaded.model)
    if size <= LARGE and (request.max_memory is None or 2 * size <= request.max_memory):
        yield None
        return
    root = (request.cache_dir or cache_folder()) / "layers"
    with contextlib.ExitStack() as stack:
        folder = root / loaded.digest[:32]
        if not (request.cache and stack.enter_context(_held(folder))):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgec-")))
        _tidy(root)
        yield Journal(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Make a folder and hold it; False where another process does. Whoever is killed holds nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder.parent / f"{folder.name}.lock").open("ab")
    except OSError as error:
        _log.info("finished layers are not kept: %s", error)
        yield False
        return
    with stream:
        os.utime(stream.name)
        yield _lock(stream)


def _lock(stream: BinaryIO) -> bool:
    """Lock a file for this process, as the system does: the lock goes with the process."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _tidy(root: Path) -> None:
    """Remove what killed compiles left that nobody went on with."""
    for left in root.glob("*.lock") if root.is_dir() else ():
        folder = left.with_suffix("")
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                with left.open("ab") as stream:
                    if _lock(stream):
                        shutil.rmtree(folder, ignore_errors=True)
                        left.unlink()


def _write(file: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        part.write(data)
    Path(part.name).replace(file)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_BLOCK):
            digest.update(piece)
    return digest.hexdigest()
