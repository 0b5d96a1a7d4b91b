"""Bundles altered by somebody who knows how to write a manifest."""

from __future__ import annotations

import json
from pathlib import Path

from edgec.bundle import MANIFEST, read_manifest, sha256_of

__all__ = ["rebound"]


def rebound(folder: Path) -> None:
    """Have a bundle's manifest bind its files as they are now."""
    manifest = read_manifest(folder / MANIFEST)
    for name in manifest["files"]:
        file = folder / name
        manifest["files"][name] = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
