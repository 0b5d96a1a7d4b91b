"""A bundle as it was copied: every file compared with the manifest that binds it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..runner import RefusedError

__all__ = ["checked_payload"]

_GOLDEN = ("golden/inputs.npz", "golden/outputs.npz")
_UNLISTED = ("manifest.json", "signature.json")  # and the folder of proofs


def checked_payload(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest of a bundle whose every file has the sha256 that it lists, and the digest of the manifest.

    Raises:
        RefusedError: It is no bundle, or a file is missing, altered, outside of it, or not listed.
    """
    try:
        raw = (folder / "manifest.json").read_bytes()
        values = json.loads(raw)
        manifest = values["additional_metadata"]["edgec"] if "additional_metadata" in values else values
        listed = {str(name): str(entry["sha256"]) for name, entry in manifest["files"].items()}
        needed = (str(manifest["model"]), *_GOLDEN)
        dict(manifest["session_options"]), dict(manifest["state"]), list(manifest["target"]["providers"])
    except OSError as error:
        raise RefusedError("bundle", f"{folder} is no bundle: manifest.json: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError("bundle", f"{folder / 'manifest.json'} is not a bundle's manifest") from error
    for name, digest in listed.items():
        if Path(name).anchor or ".." in Path(name).parts:
            raise RefusedError("bundle", f"manifest.json lists {name!r}, which is not inside the bundle")
        if not (folder / name).is_file():
            raise RefusedError("bundle", f"{name} is listed in manifest.json, but missing")
        if _sha256(folder / name) != digest:
            raise RefusedError("bundle", f"{name} does not have the sha256 of manifest.json: it was changed")
    for name in needed:
        if name not in listed:
            raise RefusedError("bundle", f"manifest.json does not list {name}, which is to be run")
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in listed and name not in _UNLISTED and not name.startswith("proof/"):
            raise RefusedError("bundle", f"{name} is not listed in manifest.json: remove it, or copy the bundle anew")
    return manifest, hashlib.sha256(raw).hexdigest()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
