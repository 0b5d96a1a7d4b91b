"""Shapes as people read them: a formula of exporters gives way to what it depends on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .compared import shortened

__all__ = ["shape_text"]

_LONGEST, _MOST = 20, 3
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\b(?!\()")  # no name of a function


def shape_text(shape: Sequence[int | str | None] | None) -> str:
    """`[N, 3, 224, ?]`; `[N, 8, f(H), f(H, W)]` where formulas are long."""
    return "[…]" if shape is None else "[" + ", ".join("?" if dim is None else _dim(str(dim)) for dim in shape) + "]"


def _dim(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    if _SYMBOL.fullmatch(text):
        return shortened(text, _LONGEST)
    symbols = list(dict.fromkeys(shortened(each, _LONGEST) for each in _SYMBOL.findall(text)))
    shown = symbols if len(symbols) <= _MOST else [*symbols[:_MOST], "…"]
    return f"f({', '.join(shown)})" if symbols else shortened(text, _LONGEST)
