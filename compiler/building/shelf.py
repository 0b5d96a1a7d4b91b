"""Finished bundles by their key, shared by all builds that use the folder.

An entry is written beside its place and renamed there, so that whoever is killed leaves no half entry; it lists the
sha256 of each of its files, and what is taken out is compared with that list: what was altered counts as missing, and
goes. The entries used longest ago go when all together are larger than the limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...bundle import Bundle, sha256_of
from ..destination import writing

__all__ = ["Shelf"]

_log = logging.getLogger(__name__)

_LIST = "entry.json"
_FILES = "bundle"
# What a killed build left half-written goes after so long.
_STALE_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Bundles in a folder, which is made when one is put there.

    Attributes:
        folder: Where they are.
        limit: Bytes of all entries together; the newest stays whatever its size.
    """

    folder: Path
    limit: int

    def holds(self, key: str) -> bool:
        """Whether there is an entry of this key, whole or not."""
        return self._place(key).is_dir()

    def take(self, key: str, output: Path) -> Bundle | None:
        """Copy a bundle out; `output` is left alone where it is that bundle already.

        Args:
            key: Its `bundle_key`.
            output: Where it is to be; a bundle there is replaced.

        Returns:
            The bundle; None where there is none of this key that is whole.

        Raises:
            OutputError: The output cannot be written.
        """
        entry = self._place(key)
        if not entry.is_dir():
            return None
        try:
            listed = _read_list(entry / _LIST)
            if _digests(output) != listed:
                with writing(output) as folder:
                    for name, digest in listed.items():
                        _copy(entry / _FILES / name, folder / name, digest)
            os.utime(entry)
        except (_AlteredError, FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as error:
            _drop(entry, error)
            return None
        return Bundle.open(output)

    def find(self, key: str) -> Bundle | None:
        """A bundle where it lies, each of its files compared with the list; it is not to be written to.

        Args:
            key: Its `bundle_key`.

        Returns:
            The bundle; None where there is none of this key that is whole.
        """
        entry = self._place(key)
        if not entry.is_dir():
            return None
        try:
            if _digests(entry / _FILES) != _read_list(entry / _LIST):
                raise _AlteredError(f"{_FILES} was altered")
        except (_AlteredError, FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as error:
            _drop(entry, error)
            return None
        return Bundle.open(entry / _FILES)

    def keep(self, key: str, bundle: Bundle) -> None:
        """Copy a bundle in. A folder that cannot be written to costs the cache, not the build."""
        entry = self._place(key)
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as scratch:
                listed = _digests(bundle.path)
                for name, digest in listed.items():
                    _copy(bundle.path / name, Path(scratch) / _FILES / name, digest)
                _write_list(Path(scratch) / _LIST, listed)
                (Path(scratch) / "entry").mkdir()
                for name in (_FILES, _LIST):
                    (Path(scratch) / name).rename(Path(scratch) / "entry" / name)
                _remove(entry)
                with contextlib.suppress(OSError):  # another build was faster: its entry is as good
                    (Path(scratch) / "entry").rename(entry)
            self._tidy()
        except OSError as error:
            _log.info("the bundle is not kept: %s", error)

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _tidy(self) -> None:
        """Remove what is too old or too much."""
        for left in self.folder.glob(".*-*"):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        entries = sorted((entry.stat().st_mtime, entry) for entry in self.folder.glob("??/*"))
        sizes = {entry: sum(file.stat().st_size for file in _files(entry)) for _, entry in entries}
        total = sum(sizes.values())
        for _, entry in entries[:-1]:
            if total <= self.limit:
                return
            _remove(entry)
            total -= sizes[entry]


class _AlteredError(Exception):
    """A file is not what it was."""


def _write_list(file: Path, digests: Mapping[str, str]) -> None:
    """Write the list of an entry, bound by a digest of its own."""
    values = {"files": digests, "sha256": _digest_of_list(digests)}
    file.write_text(json.dumps(values, indent=1), encoding="utf-8")


def _read_list(file: Path) -> dict[str, str]:
    """The list of an entry.

    Raises:
        _AlteredError: It is not what it was; so do `ValueError`, `KeyError` and `TypeError` say.
    """
    values = json.loads(file.read_text(encoding="utf-8"))
    digests: dict[str, str] = values["files"]
    if values["sha256"] != _digest_of_list(digests):
        raise _AlteredError(f"{file.name} was altered")
    return digests


def _digest_of_list(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file, by its name in the folder."""
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file())


def _copy(source: Path, into: Path, digest: str) -> None:
    """Copy a file whose digest is known.

    Raises:
        _AlteredError: It has another.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    seen = hashlib.sha256()
    with source.open("rb") as reading, into.open("wb") as written:
        while piece := reading.read(1 << 20):
            seen.update(piece)
            written.write(piece)
    if seen.hexdigest() != digest:
        raise _AlteredError(f"{source.name} was altered")


def _drop(entry: Path, error: Exception) -> None:
    _log.warning("%s is not whole, and is removed: %s", entry, error)
    _remove(entry)


def _remove(entry: Path) -> None:
    """Take an entry away at once: nobody sees half of it."""
    if entry.exists():
        gone = entry.parent.parent / f".gone-{os.getpid()}-{time.monotonic_ns()}"
        with contextlib.suppress(OSError):
            entry.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
