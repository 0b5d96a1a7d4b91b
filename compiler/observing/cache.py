"""Where observations are kept between compiles: one file an entry, written whole or not at all.

An entry is found by what decides the observations: the instrumented graph with its weights, the batches, and the
versions of what measures. It says of how many samples, by their digest, its totals are; only a compile whose first
samples are the very same takes them up. What cannot be read is ignored, and replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...runtimes.base import ModelInMemory
from ...runtimes.cache import cache_folder

__all__ = ["Entry", "ObservationCache", "cache_folder", "entry_key"]

_log = logging.getLogger(__name__)

_SUFFIX = ".observed.npz"
# The oldest entries go when all together are larger.
_KEPT_BYTES = 2 << 30


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entry:
    """Totals over the first samples.

    Attributes:
        samples: How many.
        digest: Of these samples, in order.
        complete: Whether there were no more.
        arrays: The totals.
    """

    samples: int
    digest: str
    complete: bool
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservationCache:
    """Entries in a folder, which is made when something is written."""

    folder: Path

    def read(self, key: str) -> Entry | None:
        """The entry of that key; None where there is none that can be read."""
        try:
            # Opened here: numpy leaves a file open whose archive it cannot read.
            with self._path(key).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            head = json.loads(arrays.pop("head").tobytes())
            return Entry(
                samples=int(head["samples"]), digest=str(head["digest"]), complete=bool(head["complete"]), arrays=arrays
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            _log.info("observations of %s ignored: %s", self._path(key), error)
            return None

    def write(self, key: str, entry: Entry) -> None:
        """Replace the entry of that key. A folder that cannot be written to costs the cache, not the compile."""
        head = {"samples": entry.samples, "digest": entry.digest, "complete": entry.complete}
        raw = np.frombuffer(json.dumps(head).encode(), np.uint8)
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                temporary = Path(file.name)
                arrays: dict[str, Any] = {"head": raw, **entry.arrays}
                np.savez(file, **arrays)
            temporary.replace(self._path(key))
            self._forget_oldest()
        except OSError as error:
            _log.info("observations are not kept: %s", error)
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _forget_oldest(self) -> None:
        found = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob(f"*{_SUFFIX}"))
        kept = sum(size for _, size, _ in found)
        for _, size, path in found[:-1]:
            if kept <= _KEPT_BYTES:
                return
            path.unlink(missing_ok=True)
            kept -= size


def entry_key(model: ModelInMemory, *, settings: str) -> str:
    """sha256, hex, over everything but the samples that decides what is observed.

    Args:
        model: The instrumented graph: statistics are part of it.
        settings: How it is run.
    """
    digest = hashlib.sha256()
    versions = [(name, version(name)) for name in ("edgec", "onnxruntime", "numpy")]
    digest.update(repr((versions, settings)).encode())
    digest.update(model.graph)
    for name, array in sorted(model.weights.items()):
        digest.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
