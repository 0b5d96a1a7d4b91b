"""`batch,3,height,width`: what people write of the dimensions of an input."""

from __future__ import annotations

import re

__all__ = ["dims_of"]

_WORD = re.compile(r"[1-9]\d*|[A-Za-z_]\w*")


def dims_of(text: str) -> tuple[str | int, ...]:
    """Names of free dimensions as text, sizes of fixed ones as numbers.

    Raises:
        ValueError: It is nothing of the kind.
    """
    words = [word.strip() for word in text.strip().strip("[]()").split(",")]
    if not all(_WORD.fullmatch(word) for word in words):
        raise ValueError(f"{text!r} is no list of names of dimensions and whole numbers above 0")
    return tuple(int(word) if word.isdigit() else word for word in words)
