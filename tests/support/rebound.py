"""Bundles altered by somebody who knows how to write a manifest."""

from __future__ import annotations

import json
from pathlib import Path

from edgec.bundle import MANIFEST, sha256_of

__all__ = ["rebound"]


def rebound(folder: Path) -> None:
    """Have a bundle's manifest bind its files as they are now."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for name in manifest["files"]:
        file = folder / name
        manifest["files"][name] = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
