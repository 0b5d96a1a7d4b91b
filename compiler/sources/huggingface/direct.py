"""Which checkpoints are built from their weights here, without anybody's code; the others take `transformers`."""

from __future__ import annotations

import json
from pathlib import Path

from ..decoder.config import ARCHITECTURES

__all__ = ["is_direct"]

_DIRECT = (*ARCHITECTURES, "whisper")


def is_direct(folder: Path) -> bool:
    """Whether a checkpoint is of a kind that is built directly, or does not say its kind: refused there."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    kind = said.get("model_type") if isinstance(said, dict) else None
    return kind is None or kind in _DIRECT
