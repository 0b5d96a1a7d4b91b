"""Who is told what an install is doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Say", "silent"]

Say: TypeAlias = Callable[[str], None]
"""Takes one line."""


def silent(text: str) -> None:
    """Tell nobody."""
    del text
