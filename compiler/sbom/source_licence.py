"""The licence of a source model, where its files state one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["source_licence"]

# Keys of metadata_props that exporters and hubs use.
_KEYS = ("license", "licence", "model_license", "spdx_license", "license_name")
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_LINE = re.compile(r"^(license|license_name):\s*['\"]?([^'\"#\n]+?)['\"]?\s*(?:#.*)?$", re.MULTILINE)
# A model card is a page; a README that is not one need not be read whole.
_MOST = 1 << 16


def source_licence(metadata: Mapping[str, str], files: Sequence[Path]) -> str:
    """What the model's metadata say, else the card beside it (a Hugging Face folder's README.md); "" for nothing.

    Args:
        metadata: `metadata_props` of the model.
        files: The model's files; the card lies in the first one's folder, or above where that is called `onnx`.
    """
    said = {key.lower(): value.strip() for key, value in metadata.items()}
    for key in _KEYS:
        if said.get(key):
            return said[key]
    if not files:
        return ""
    folder = files[0].parent
    places = (folder, folder.parent) if folder.name == "onnx" else (folder,)
    return next((found for place in places if (found := _of_card(place / "README.md"))), "")


def _of_card(file: Path) -> str:
    """`license` of a card's front matter; `license_name` where that is `other`."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            front = _FRONT.match(stream.read(_MOST).replace("\r\n", "\n"))
    except OSError:
        return ""
    if front is None:
        return ""
    said: dict[str, str] = dict(_LINE.findall(front[1]))
    found = said.get("license", "").strip()
    return said.get("license_name", found).strip() if found in ("other", "") else found
