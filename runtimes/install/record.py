"""What was fetched: `installed.json` in each component's folder, written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .component import Component

__all__ = ["RECORD", "Item", "Record", "folder_bytes", "read_record", "sha256", "write_record"]

RECORD = "installed.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One package or wheel: its name, version, file, and the digest of that file."""

    name: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A component as it lies on disk.

    Attributes:
        component: Its name.
        bytes: Of all its files.
        items: What it was made of.
    """

    component: str
    bytes: int
    items: tuple[Item, ...]

    def version(self, item: str) -> str:
        """The version of a package, without epoch and packaging's own; "" where it is not among them."""
        full = next((each.version for each in self.items if each.name == item), "")
        return full.partition(":")[2].partition("+")[0] if ":" in full else full.partition("+")[0]


def read_record(folder: Path) -> Record | None:
    """The record of a component's folder; None where there is no whole one."""
    try:
        values: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        items = tuple(Item(**each) for each in values["items"])
        return Record(component=str(values["component"]), bytes=int(values["bytes"]), items=items)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(folder: Path, component: Component, items: Iterable[Item]) -> Record:
    """Say in a component's folder what is in it."""
    record = Record(component=component.name, bytes=folder_bytes(folder), items=tuple(items))
    values = {**asdict(record), "about": component.about, "licence": component.licence}
    (folder / RECORD).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return record


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def sha256(path: Path) -> str:
    """Digest of a file, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
